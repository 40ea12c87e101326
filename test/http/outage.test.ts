// Outages of the database: it is down, silent or killed, or its disk is full. Requests get an error, polls that wait are
// answered once it is back, and nothing is lost.
import { appendFile, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { asForm } from '../../src/client/client.ts';
import type { Db } from '../../src/db/connect.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { ask, preparedData, serverPid, startWell } from '../support/embedded.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { adminHeaders, formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

const VM = 'lablink-vm-test-1';
const COMMAND = 'start-host --code="4/0Aone" --redirect-url="https://example.org"';
const BACK = { timeout: 15_000, interval: 50 };

type Day = AsyncDisposable & {
  readonly server: TestServer;
  /** Of the database itself, past the network that the test cuts. */
  readonly db: Db;
  readonly network: TcpProxy;
  /** Stops the server before the day is over. */
  readonly stop: () => Promise<void>;
};

/** A server that reaches its database by a network in our hands. */
async function startDay(): Promise<Day> {
  const database: TestDatabase = await createTestDatabase();
  const network = await startTcpProxy(database.connectionString);
  const server = await startTestServer({ DATABASE_URL: network.connectionString });
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= Promise.resolve(server[Symbol.asyncDispose]()));
  return {
    server,
    stop,
    db: database.db,
    network,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await network[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

const healthSchema = z.object({
  status: z.literal('unavailable'),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
});

/** Not ready, and these are what is missing, each with a sentence. */
async function expectRed(server: TestServer, missing: readonly string[]): Promise<void> {
  const answer = await sendRaw(server.url, { path: '/api/health' });
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  const { checks } = healthSchema.parse(JSON.parse(answer.text));
  const red = checks.filter(({ ok }) => !ok);
  expect(red.map(({ name }) => name)).toEqual(missing);
  for (const { detail } of red) expect(detail).toMatch(/^\w+ .*\.$/);
}

const readiness = async (server: TestServer): Promise<number> =>
  (await sendRaw(server.url, { path: '/api/health' })).status;
const health = (server: TestServer): Promise<RawAnswer> => sendRaw(server.url, { path: '/api/health' });
const report = (server: TestServer): Promise<RawAnswer> =>
  postJson(server.url, '/api/vm-status', { hostname: VM, status: 'running' });
const poll = (server: TestServer): Promise<RawAnswer> =>
  postJson(server.url, '/vm_startup', { hostname: VM });

async function waits(db: Db): Promise<boolean> {
  const { rows } =
    await sql`select from vm_presence where hostname = ${VM} and waiting_until > now()`.execute(db);
  return rows.length > 0;
}

/** That something does not happen takes a while to see. */
async function passed(ms: number): Promise<void> {
  const end = performance.now() + ms;
  await expect.poll(() => performance.now(), { timeout: ms + 1_000 }).toBeGreaterThan(end);
}

describe('Postgres that takes no writes', () => {
  test('while it takes none, what writes is a 503 with Retry-After and readiness says so; then new connections are used', async () => {
    await using day = await startDay();
    const { server, db } = day;
    await insertFreeVms(db, [VM]);
    const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(db);

    await sql.raw(`alter database ${rows[0]?.name ?? ''} set default_transaction_read_only = on`).execute(db);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'lablink'`.execute(db);

    const join = await sendRaw(server.url, {
      method: 'POST',
      path: '/api/request_vm',
      headers: formHeaders,
      body: new URLSearchParams({ email: 'ada@example.org', crd_command: COMMAND }).toString(),
    });
    const answers = [await report(server), join];
    for (const { status, headers } of answers) {
      expect(status).toBe(503);
      expect(headers['retry-after']).toMatch(/^\d+$/);
    }
    expect(JSON.parse(answers[0]?.text ?? '')).toMatchObject({ code: 'database_unavailable' });
    const health = await sendRaw(server.url, { path: '/api/health' });
    expect(health.status).toBe(503);
    expect(health.text).toContain('The database takes no writes');

    // Connections keep the setting that they began with: the next answer is right only on a new one.
    await sql.raw(`alter database ${rows[0]?.name ?? ''} reset default_transaction_read_only`).execute(db);
    await expect.poll(() => readiness(server), BACK).toBe(200);
    expect((await report(server)).status).toBe(200);
  });
});

describe('Postgres that is gone', () => {
  test('while Postgres is away every answer is a 503 with Retry-After, readiness fails and liveness passes', async () => {
    await using day = await startDay();
    const { server, network, db } = day;
    await insertFreeVms(db, [VM]);
    await network.cut();
    for (const answer of [await report(server), await poll(server)]) {
      expect(answer).toMatchObject({ status: 503, type: 'application/problem+json' });
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 'database_unavailable' });
    }
    const form = { email: 'ada@example.org', crd_command: COMMAND };
    for (const request of [
      { path: '/' },
      { path: '/admin/instances', headers: adminHeaders },
      {
        method: 'POST',
        path: '/api/request_vm',
        headers: formHeaders,
        body: new URLSearchParams(form).toString(),
      },
    ]) {
      const page = await sendRaw(server.url, request);
      expect(page).toMatchObject({ status: 503, type: 'text/html' });
      expect(page.headers['retry-after']).toMatch(/^\d+$/);
      expect(page.text).not.toMatch(/ECONN|127\.0\.0\.1/);
    }
    await expectRed(server, ['database', 'listener']);
    expect((await sendRaw(server.url, { path: '/api/health/live' })).status).toBe(200);
    expect((await sendRaw(server.url, { path: '/docs' })).status).toBe(200);
    const dashboard = await sendRaw(server.url, { path: '/admin', headers: adminHeaders });
    expect(dashboard.status).toBe(200);
    expect(dashboard.text).toContain('The database cannot be reached.');
    await network.restore();
  });

  test('after Postgres comes back everything works again, and a poll that waited gets its assignment', async () => {
    await using day = await startDay();
    const { server, network, db } = day;
    await insertFreeVms(db, [VM]);
    const waiting = poll(server);
    await expect.poll(() => waits(db), BACK).toBe(true);
    await network.cut();
    await expect.poll(() => readiness(server), BACK).toBe(503);
    // Another allocator gives the machine away; our listener cannot hear of it.
    const { pin, id } = await giveVm(db, 'ada@example.org');
    await network.restore();
    await expect.poll(() => readiness(server), BACK).toBe(200);
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toMatchObject({ status: 'success', pin, assignment_id: id });
    // The listener works again: the next assignment is delivered at once.
    const outcome = { hostname: VM, outcome: 'failed', command_number: 1 };
    await postJson(server.url, `/api/v1/assignments/${id}/outcome`, outcome);
    const again = poll(server);
    await giveVm(db, 'ada@example.org', { crdCommand: 'start-host --code="4/0Atwo"' });
    expect(JSON.parse((await again).text)).toMatchObject({ command_number: 2 });
    expect(server.allocator.lost.aborted).toBe(false);
  });

  test('a missing Postgres delays the stop of a server by no more than its grace period', async () => {
    await using day = await startDay();
    const { server, network, db } = day;
    await insertFreeVms(db, [VM]);
    const waiting = poll(server);
    await expect.poll(() => waits(db), BACK).toBe(true);
    await network.cut();
    await expect.poll(() => readiness(server), BACK).toBe(503);
    const before = network.accepted;
    const stopped = day.stop();
    expect((await waiting).status).toBe(503);
    await stopped;
    await network.restore();
    // Reconnects are tried twice a second; one that is under way may still open a last connection.
    await passed(3 * 500);
    expect(network.accepted).toBeLessThanOrEqual(before + 1);
    expect(network.open).toBe(0);
  });
});

describe('Postgres that fails over to its standby', () => {
  const SLOWLY = { ...BACK, timeout: 60_000 };

  /** The standby has a copy of the primary's files and streams what is written since. */
  async function startPair() {
    const [first, second] = [await preparedData(), await preparedData()];
    const primary = await startWell(first);
    const { port, username, password } = new URL(primary.connectionString);
    const { cluster } = pathsIn(second);
    await writeFile(join(cluster, 'standby.signal'), '');
    const source = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
    await appendFile(join(cluster, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    return { primary, standby: await startWell(second) };
  }

  test('after a fail-over to another address behind the same name, first readable only and then promoted, everything goes on without a restart', async () => {
    const { primary, standby } = await startPair();
    await using network = await startTcpProxy(primary.connectionString);
    await using server = await startTestServer({ DATABASE_URL: network.connectionString });
    expect((await report(server)).status).toBe(200);
    const waiting = poll(server);
    await expect.poll(() => isWaiting(server), SLOWLY).toBe(true);
    const written = async (): Promise<number | undefined> =>
      (
        await ask<{ count: number }>(
          standby.connectionString,
          `select count(*)::int as count from vm_presence where waiting_until is not null`,
        )
      )[0]?.count;
    await expect.poll(written, SLOWLY).toBe(1);

    await primary.stop();
    network.moveTo(standby.connectionString);
    await expect
      .poll(async () => (await health(server)).text, SLOWLY)
      .toContain('The database takes no writes');
    expect(await report(server)).toMatchObject({ status: 503 });
    expect((await sendRaw(server.url, { path: '/api/vm-status' })).status).toBe(200);

    await ask(standby.connectionString, 'select pg_promote()');
    await expect.poll(() => readiness(server), SLOWLY).toBe(200);
    const { data } = await server.client.POST('/api/request_vm', {
      ...asForm,
      headers: { ...asForm.headers, Accept: 'application/json' },
      body: { email: 'ada@example.org', crd_command: COMMAND },
    });
    expect(data).toMatchObject({ hostname: VM });
    expect(JSON.parse((await waiting).text)).toMatchObject({ status: 'success' });
    expect(server.allocator.lost.aborted).toBe(false);
  }, 240_000);
});

describe('a network to Postgres that swallows everything', () => {
  test('a network that swallows everything sent to Postgres is a 503 within half a minute, and everything works again afterwards', async () => {
    await using day = await startDay();
    const { server, network, db } = day;
    await insertFreeVms(db, [VM]);
    expect((await report(server)).status).toBe(200);
    network.freeze();
    const [first, ...later] = await Promise.all([report(server), report(server), poll(server)]);
    expect(first).toMatchObject({ status: 503, type: 'application/problem+json' });
    expect(later.map(({ status }) => status)).toEqual([503, 503]);
    // The listener asks every 15 s whether its connection lives.
    await vi.waitFor(() => expectRed(server, ['database', 'listener']), BACK);
    await network.restore();
    await expect.poll(() => readiness(server), BACK).toBe(200);
    expect((await report(server)).status).toBe(200);
  }, 60_000);
});

describe('Postgres of our own that is killed', () => {
  test('the embedded Postgres starts again after it was killed; nothing is lost, and a poll that waited gets its assignment', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lablink-outage-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    // As root, Postgres runs as another user, who has to pass through.
    await chmod(folder, 0o711);
    const env = { DATA_DIR: join(folder, 'data'), DATABASE: 'embedded', DATABASE_URL: '' };
    await using server = await startTestServer(env);
    expect((await report(server)).status).toBe(200);
    const waiting = poll(server);
    await expect.poll(() => isWaiting(server), BACK).toBe(true);
    process.kill(await serverPid(env.DATA_DIR), 'SIGKILL');
    await expect.poll(() => readiness(server), BACK).toBe(503);
    await expect.poll(() => readiness(server), BACK).toBe(200);
    expect(await isWaiting(server)).toBe(true);
    const { data, error } = await server.client.POST('/api/request_vm', {
      ...asForm,
      headers: { ...asForm.headers, Accept: 'application/json' },
      body: { email: 'ada@example.org', crd_command: COMMAND },
    });
    expect(data, JSON.stringify(error)).toMatchObject({ hostname: VM });
    expect(JSON.parse((await waiting).text)).toMatchObject({ status: 'success' });
  }, 60_000);
});

describe('a full disk', () => {
  test('logs that do not fit on a full disk are refused whole, and other endpoints keep working', async () => {
    await using server = await startTestServer();
    await insertFreeVms(server.db, [VM]);
    await fillDiskUnderLogs(server.db);
    const batch = { log_group: 'g', log_stream: VM, messages: ['one', 'two', 'full'] };
    const refused = await postJson(server.url, '/api/vm-logs', batch);
    expect(refused).toMatchObject({ status: 503, type: 'application/problem+json' });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(JSON.parse(refused.text)).toMatchObject({
      code: 'storage_full',
      detail: expect.stringContaining('full') as string,
    });
    expect((await report(server)).status).toBe(200);
    expect(await readiness(server)).toBe(200);
    expect((await postJson(server.url, '/api/gpu_health', { hostname: VM, gpu_status: 'N/A' })).status).toBe(
      200,
    );
    await sql`drop trigger disk_full on vm_logs`.execute(server.db);
    expect((await postJson(server.url, '/api/vm-logs', batch)).status).toBe(200);
    const { rows } = await sql<{ line: string }>`select line from vm_logs order by id`.execute(server.db);
    expect(rows.map(({ line }) => line)).toEqual(batch.messages);
  });
});

/** As Postgres says it of a disk with no space left, in the middle of a batch. */
async function fillDiskUnderLogs(db: Db): Promise<void> {
  await sql`create function disk_full() returns trigger language plpgsql as $$
    begin
      if new.line = 'full' then
        raise exception 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
      end if;
      return new;
    end $$`.execute(db);
  await sql`create trigger disk_full before insert on vm_logs for each row execute function disk_full()`.execute(
    db,
  );
}

async function isWaiting(server: TestServer): Promise<boolean | undefined> {
  const path = { hostname: VM };
  return (await server.admin.GET('/api/v1/vms/{hostname}', { params: { path } })).data?.waiting;
}
