// A whole server behind a real PgBouncer in transaction mode, with DATABASE_DIRECT_URL past it.
import { sql } from 'kysely';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import type { Schemas } from '../../src/client/client.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { shortIntervals } from '../support/operations.ts';
import { hasPgBouncer, startPgBouncer } from '../support/pgbouncer.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { requirePart } from '../support/required.ts';
import { vmNames } from '../support/rows.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const MACHINES = 20;
/** Fewer than the allocator has clients: each transaction may run on another server process. */
const SERVER_PROCESSES = 3;
const POLLING = { timeout: 15_000, interval: 50 };
const COMMAND = 'start-host --code="4/0Aone" --redirect-url="https://example.org"';

const bouncer = requirePart('PgBouncer', hasPgBouncer, 'Install it (Debian: `pgbouncer`).');

function ask(url: string, email: string): Promise<RawAnswer> {
  const body = new URLSearchParams({ email, crd_command: COMMAND }).toString();
  const headers = { ...formHeaders, Accept: 'application/json' };
  return sendRaw(url, { method: 'POST', path: '/api/request_vm', headers, body });
}

async function waiting({ db }: TestDatabase): Promise<number> {
  const { rows } = await sql`select from vm_presence where waiting_until > now()`.execute(db);
  return rows.length;
}

/** Everybody gets a machine, and the machine gets that person's command. */
async function assignAll({ url, database }: TestServer): Promise<void> {
  const names = vmNames(MACHINES);
  const reports = names.map((hostname) => postJson(url, '/api/vm-status', { hostname, status: 'running' }));
  expect((await Promise.all(reports)).map(({ status }) => status)).toEqual(names.map(() => 200));
  const polls = names.map((hostname) => postJson(url, '/vm_startup', { hostname }));
  await expect.poll(() => waiting(database), POLLING).toBe(MACHINES);
  const asked = await Promise.all(names.map((name) => ask(url, `${name}@example.org`)));
  expect(asked.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(names.map(() => 200));
  const given = asked.map(({ text }) => (JSON.parse(text) as { pin: string }).pin).sort();
  const delivered = (await Promise.all(polls)).map(({ text }) => (JSON.parse(text) as { pin: string }).pin);
  expect(delivered.sort()).toEqual(given);
}

/** Of each server process of the pooler: the client keeps a transaction open, so that the next one gets another. */
async function sessions(pooled: string): Promise<unknown[]> {
  const clients = Array.from(
    { length: SERVER_PROCESSES },
    () => new Client({ connectionString: pooled, connectionTimeoutMillis: POLLING.timeout }),
  );
  const found: unknown[] = [];
  for (const client of clients) {
    await client.connect();
    await client.query('begin');
    const { rows } = await client.query<object>(`select current_setting('statement_timeout') as timeout,
      (select count(*)::int from pg_prepared_statements) as prepared,
      (select count(*)::int from pg_listening_channels()) as channels`);
    found.push(...rows);
  }
  await Promise.all(clients.map((client) => client.end()));
  return found;
}

/** The names of the connections that hold one: those of transactions come and go, those of sessions stay. */
async function advisoryLocks(db: TestDatabase['db']): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select a.application_name as name from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory'
      and l.database = (select oid from pg_database where datname = current_database())`.execute(db);
  return rows.map(({ name }) => name);
}

describe.skipIf(!bouncer)('PgBouncer in transaction mode, with a direct address', () => {
  test('assignments, logs and operations work, nothing of a session is left in the pooler, and no lock after the stop', async () => {
    await using database = await createTestDatabase();
    await using pooler = await startPgBouncer(database.connectionString, 'transaction', [], SERVER_PROCESSES);
    const env = {
      DATABASE_URL: pooler.connectionString,
      DATABASE_DIRECT_URL: database.connectionString,
    };
    const parts = { provider: createScriptedProvider(), operationIntervals: shortIntervals };
    {
      await using server = await startTestServer(env, parts, database);
      await assignAll(server);
      const [hostname = ''] = vmNames(1);
      const batch = { log_group: 'g', log_stream: hostname, messages: ['one', 'two'] };
      expect((await postJson(server.url, '/api/vm-logs', batch)).status).toBe(200);
      const { data } = await server.admin.POST('/api/v1/operations', {
        body: { kind: 'launch', num_vms: 2 },
      });
      const id = typeof data === 'object' ? data.id : '';
      const ended = async (): Promise<Schemas['Operation']['status'] | undefined> =>
        (await server.admin.GET('/api/v1/operations/{id}', { params: { path: { id } } })).data?.status;
      await expect.poll(ended, POLLING).toBe('succeeded');
      const clean = { timeout: '0', prepared: 0, channels: 0 };
      expect(await sessions(pooler.connectionString)).toEqual(
        Array.from({ length: SERVER_PROCESSES }, () => clean),
      );
      await expect
        .poll(() => advisoryLocks(database.db), POLLING)
        .toEqual([expect.stringMatching(/^lablink \d+@test/)]);
      expect(server.logLines.filter((line) => line.includes('prepared statement'))).toEqual([]);
    }
    await expect.poll(() => advisoryLocks(database.db), POLLING).toEqual([]);
  });

  test('while Postgres is away behind the pooler, answers are 503; afterwards everything works without a restart', async () => {
    await using database = await createTestDatabase();
    await using network = await startTcpProxy(database.connectionString);
    await using pooler = await startPgBouncer(network.connectionString, 'transaction');
    const env = {
      DATABASE_URL: pooler.connectionString,
      DATABASE_DIRECT_URL: network.connectionString,
    };
    await using server = await startTestServer(env, {}, database);
    const report = () => postJson(server.url, '/api/vm-status', { hostname: 'a', status: 'running' });
    const health = async () => (await sendRaw(server.url, { path: '/api/health' })).status;
    expect((await report()).status).toBe(200);
    await network.cut();
    const refused = await report();
    expect(refused).toMatchObject({ status: 503, type: 'application/problem+json' });
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect(await health()).toBe(503);
    await network.restore();
    await expect.poll(health, { timeout: 60_000, interval: 200 }).toBe(200);
    expect((await report()).status).toBe(200);
    expect(server.allocator.lost.aborted).toBe(false);
  }, 120_000);

  test('without a time limit of statements, the start says what to set, and nothing once it is set', async () => {
    await using database = await createTestDatabase();
    await using pooler = await startPgBouncer(database.connectionString, 'transaction');
    const notes = async (): Promise<string[]> => {
      const said: string[] = [];
      const env = {
        SECRET_KEY: 'the same secret at both starts of this test',
        DATABASE_URL: pooler.connectionString,
        DATABASE_DIRECT_URL: database.connectionString,
      };
      await using server = await startTestServer(env, { say: (line) => said.push(line) }, database);
      expect((await sendRaw(server.url, { path: '/api/health' })).status).toBe(200);
      return said.filter((line) => line.includes('statement_timeout'));
    };
    expect(await notes()).toEqual([expect.stringContaining("set statement_timeout = '15s'")]);
    const name = new URL(database.connectionString).pathname.slice(1);
    await sql.raw(`alter database ${name} set statement_timeout = '15s'`).execute(database.db);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(database.db);
    expect(await notes()).toEqual([]);
  });
});
