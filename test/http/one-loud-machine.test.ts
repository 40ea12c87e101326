// One machine, or one viewer, that is loud takes nothing from the others.
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServer, type TestServer } from '../support/server.ts';
import { insertFreeVms } from '../support/rows.ts';
import { requestVmByForm } from '../support/request-form.ts';

/** On a busy computer thirty requests take longer than the usual second. */
const PATIENT = { timeout: 20_000 };

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ MAX_LOG_BYTES_PER_VM: '100000000' });
  await insertFreeVms(server.db, ['loud', 'free-1', 'quiet']);
});
afterAll(() => server[Symbol.asyncDispose]());

const logs = (hostname: string, lines: string[]) =>
  server.client.POST('/api/vm-logs', { body: { log_group: 'g', log_stream: hostname, messages: lines } });
/** A megabyte in few lines. */
const LARGE = Array.from({ length: 20 }, () => 'x'.repeat(50_000));
/** Of 8 MiB that may wait or be written. */
const LARGE_TAKEN = 8;

test('thirty large batches of logs for one machine wait without a connection: forms, health and other logs pass', async () => {
  // Holds the lock under which the batches of this machine are written.
  const holder = new Client({ connectionString: server.database.connectionString });
  await holder.connect();
  await holder.query(`begin; select pg_advisory_xact_lock(7204, hashtext('loud'))`);
  let answered = 0;
  const batches = Array.from({ length: 30 }, () => logs('loud', LARGE).finally(() => answered++));
  // One that arrives later would be taken when the lock is free.
  await expect.poll(() => answered, PATIENT).toBe(30 - LARGE_TAKEN);
  const started = performance.now();
  const [form, health, quiet] = await Promise.all([
    requestVmByForm(server.url, 'ada@example.org'),
    server.client.GET('/api/health'),
    logs('quiet', ['a line']),
  ]);
  expect([form.status, health.response.status, quiet.response.status]).toEqual([200, 200, 200]);
  // Waiting for a connection takes 5 s.
  expect(performance.now() - started).toBeLessThan(4_000);
  await holder.query('commit');
  await holder.end();
  const statuses = (await Promise.all(batches)).map(({ response }) => response.status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(LARGE_TAKEN);
  expect(statuses.filter((status) => status === 503)).toHaveLength(30 - LARGE_TAKEN);
  const stored = await server.db
    .selectFrom('vm_logs')
    .select('line')
    .where('hostname', '=', 'loud')
    .execute();
  expect(stored).toHaveLength(LARGE_TAKEN * LARGE.length);
});

test('of three hundred viewers of a log at once, two hundred are served, and a place that is left is free again', async () => {
  const leaving = new AbortController();
  const view = (signal: AbortSignal): Promise<Response> => {
    const authorization = `Basic ${Buffer.from('admin:a password for tests').toString('base64')}`;
    return fetch(`${server.url}/api/v1/vms/quiet/logs/events`, { headers: { authorization }, signal });
  };
  // Kept until the end: a response that nobody refers to is collected, and its connection closed.
  const responses = await Promise.all(Array.from({ length: 300 }, () => view(leaving.signal)));
  const answered = (wanted: number) => responses.filter(({ status }) => status === wanted);
  expect(answered(200)).toHaveLength(200);
  expect(answered(503)).toHaveLength(100);
  leaving.abort();
  const later = new AbortController();
  await expect.poll(async () => (await view(later.signal)).status, PATIENT).toBe(200);
  later.abort();
});
