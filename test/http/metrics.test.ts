// /metrics: what is counted, who may read it, and what it says while the database is away.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { TestDatabase } from '../support/postgres.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { requirePart } from '../support/required.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

type Enum = { readonly enum: readonly string[] };
const { schemas } = (
  parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')) as {
    components: { schemas: Record<'OperationKind' | 'OperationStatus', Enum> };
  }
).components;
const TOKEN = { METRICS_TOKEN: 'a-token-of-the-monitor' };
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

const scrape = (url: string, headers: Record<string, string> = {}): Promise<RawAnswer> =>
  sendRaw(url, { path: '/metrics', headers });

/** `name{labels}` → value. */
async function read(url: string): Promise<ReadonlyMap<string, number>> {
  const { status, type, text } = await scrape(url);
  expect({ status, type }).toEqual({ status: 200, type: 'text/plain' });
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

const ask = (url: string, email: string): Promise<RawAnswer> =>
  sendRaw(url, {
    method: 'POST',
    path: '/api/request_vm',
    headers: { ...formHeaders, Accept: 'application/json' },
    body: new URLSearchParams({
      email,
      crd_command: 'start-host --code="4/0Aone" --redirect-url="https://example.org"',
    }).toString(),
  });

describe('a server that only this computer reaches', () => {
  let database: TestDatabase;
  let network: TcpProxy;
  let server: TestServer;
  beforeAll(async () => {
    database = await createTestDatabase();
    network = await startTcpProxy(database.connectionString);
    server = await startTestServer(
      { DATABASE_URL: network.connectionString },
      { metricsFreshMs: 0 },
      database,
    );
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await network[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });

  test('a workshop of one participant is in the metrics: requests, claims, the delivery, machines, work and an operation', async () => {
    const { db, url } = server;
    const [first = '', second = ''] = vmNames(2);
    await read(url);
    await insertFreeVms(db, [first]);
    const poll = postJson(url, '/vm_startup', { hostname: first });
    await expect.poll(async () => (await read(url)).get('lablink_waiting_vms')).toBe(1);
    await ask(url, 'ada@example.org');
    await poll;
    await ask(url, 'grace@example.org');
    await sendRaw(url, { path: '/no/such/path/secret-in-a-path' });
    await sendRaw(url, { path: '/api/vm-status/nobody' });
    await postJson(url, '/api/vm-logs', { log_group: 'g', log_stream: first, messages: ['one', 'two'] });
    await db
      .insertInto('vms')
      .values({ hostname: second, provider: 'aws', status: 'running', shutdown_error: 'no answer' })
      .execute();
    await sql`update vms set shutdown_at = now() - interval '3 hours' where hostname = ${first}`.execute(db);
    await sql`insert into operations (id, kind, status, requested_by, started_at, ended_at)
      values (gen_random_uuid(), 'launch', 'failed', 'admin', now() - interval '40 s', now())`.execute(db);
    const metrics = await read(url);
    // Each ended operation counts once, however often somebody asks.
    await read(url);
    expect(Object.fromEntries(metrics)).toMatchObject({
      'lablink_claims_total{outcome="assigned"}': 1,
      'lablink_claims_total{outcome="none_free"}': 1,
      lablink_delivery_seconds_count: 1,
      'lablink_http_requests_total{endpoint="requestVm",status="200"}': 1,
      'lablink_http_requests_total{endpoint="requestVm",status="409"}': 1,
      'lablink_http_requests_total{endpoint="none",status="404"}': 1,
      'lablink_http_requests_total{endpoint="getVmStatus",status="404"}': 1,
      'lablink_http_request_duration_seconds_count{endpoint="requestVm"}': 2,
      'lablink_groups_total{statement="claims"}': 2,
      'lablink_group_items_total{statement="deliveries"}': 2,
      lablink_log_lines_total: 2,
      lablink_listener_connected: 1,
      lablink_database_up: 1,
      lablink_database_connections_max: 10,
      'lablink_vms{status="running"}': 2,
      'lablink_vms{status="recycling"}': 0,
      lablink_vms_assigned: 1,
      lablink_vms_past_end: 1,
      lablink_vms_without_end: 1,
      lablink_vms_end_not_set: 1,
      lablink_vms_work_not_downloaded: 1,
      'lablink_operations_active{status="queued"}': 0,
      'lablink_operation_duration_seconds_count{kind="launch",outcome="failed"}': 1,
      'lablink_operation_duration_seconds_bucket{le="60",kind="launch",outcome="failed"}': 1,
      'lablink_operation_duration_seconds_bucket{le="30",kind="launch",outcome="failed"}': 0,
    });
    expect(metrics.has('lablink_http_request_duration_seconds_count{endpoint="vmStartup"}')).toBe(false);
    expect([...metrics.keys()].join()).not.toContain('secret-in-a-path');
    expect(metrics.get('lablink_work_not_downloaded_end_timestamp_seconds')).toBeLessThan(Date.now() / 1_000);
    expect(metrics.get('lablink_log_bytes')).toBeGreaterThan(8_000);
    expect(metrics.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  });

  test('operations of every kind and outcome begin at 0, so that the first one of them is an increase', async () => {
    await server.restart();
    const metrics = await read(server.url);
    const { OperationKind, OperationStatus } = schemas;
    const ended = OperationStatus.enum.filter((status) => status !== 'queued' && status !== 'running');
    expect(OperationKind.enum.length * ended.length).toBeGreaterThan(0);
    for (const kind of OperationKind.enum)
      for (const outcome of ended)
        expect(
          metrics.get(`lablink_operation_duration_seconds_count{kind="${kind}",outcome="${outcome}"}`),
          `${kind}, ${outcome}`,
        ).toBe(0);
  });

  test('the age of the newest backup that succeeded is in the health and in the metrics', async () => {
    const { db, url, client } = server;
    const health = async () => (await client.GET('/api/health')).data?.backup;
    expect(await health()).toBeNull();
    expect((await read(url)).has('lablink_backup_age_seconds')).toBe(false);
    await sql`insert into backups (at, kind, place, bytes, problem) values
      (now() - interval '3 hours', 'command', '/backups/older', 12, null),
      (now() - interval '2 hours', 'command', '/backups/one', 1234, null),
      (now() - interval '1 hour', 'scheduled', '/backups/failed', null, 'The disk is full.')`.execute(db);
    const { age_seconds: age = 0, bytes } = (await health()) ?? {};
    expect(bytes).toBe(1_234);
    const metrics = await read(url);
    for (const seconds of [age, metrics.get('lablink_backup_age_seconds') ?? 0]) {
      expect(seconds).toBeGreaterThanOrEqual(7_200);
      expect(seconds).toBeLessThan(7_260);
    }
    expect(metrics.get('lablink_backup_failed')).toBe(1);
  });

  test('while the database is away, a scrape answers and says so, and what it knows by itself is there', async () => {
    await server.restart();
    await network.cut();
    const away = await read(server.url);
    await network.restore();
    expect(away.get('lablink_database_up')).toBe(0);
    expect(away.get('lablink_waiting_vms')).toBe(0);
    expect(away.has('lablink_vms_free')).toBe(false);
    // A failure is not kept.
    await expect.poll(async () => (await read(server.url)).get('lablink_database_up')).toBe(1);
  });

  test.skipIf(!requirePart('promtool', hasPromtool, 'Install prometheus (Debian).'))(
    'promtool has no objection to our metrics',
    async () => {
      const { text } = await scrape(server.url);
      const ours = text.split('\n').filter((line) => line.includes('lablink_'));
      const checked = spawnSync('promtool', ['check', 'metrics'], {
        input: `${ours.join('\n')}\n`,
        encoding: 'utf8',
      });
      expect(checked.stdout + checked.stderr).toBe('');
    },
  );

  test('a request that came through a proxy closes them, because the proxy may let anybody through', async () => {
    await server.restart();
    const proxied = await scrape(server.url, { 'X-Forwarded-For': '198.51.100.7' });
    expect({ status: proxied.status, off: proxied.text.includes('metrics_off') }).toEqual({
      status: 404,
      off: true,
    });
    expect((await scrape(server.url)).status).toBe(404);
  });
});

test('with METRICS_TOKEN, the token is needed, also on loopback and at METRICS_PORT', async () => {
  const said: string[] = [];
  await using server = await startTestServer(
    { ...TOKEN, METRICS_PORT: '0', HOST: '0.0.0.0', PUBLIC_URL: 'https://lab.example.org' },
    { say: (line) => said.push(line) },
  );
  const own = /http:\S+(?=\/metrics)/.exec(said.join('\n'))?.[0] ?? '';
  for (const url of [server.url.replace('0.0.0.0', '127.0.0.1'), own]) {
    const statuses = [
      await scrape(url),
      await scrape(url, bearer('another-token')),
      await scrape(url, bearer(TOKEN.METRICS_TOKEN)),
    ].map(({ status }) => status);
    expect(statuses, url).toEqual([401, 401, 200]);
  }
  expect((await sendRaw(own, { path: '/api/health' })).status).toBe(404);
});

test('METRICS_PORT serves them without a token, and then the port of the pages does not', async () => {
  const said: string[] = [];
  await using server = await startTestServer({ METRICS_PORT: '0' }, { say: (line) => said.push(line) });
  const own = /http:\S+(?=\/metrics)/.exec(said.join('\n'))?.[0] ?? '';
  expect((await scrape(own)).text).toContain('lablink_vms_free 0');
  expect((await scrape(server.url)).status).toBe(404);
});
