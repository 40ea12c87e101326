// Two allocators on one database, in this process: what the one does is seen at the other, and what runs at intervals runs
// once. Kills and restarts are in test/process/two-allocators.test.ts.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { markSilent } from '../../src/db/silence.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { adminHeaders, formHeaders, postJson, sendRaw, type RawAnswer } from '../support/raw-http.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { readEvents, type EventReader } from '../support/sse.ts';

const POLLING = { timeout: 15_000, interval: 50 };
const VM = 'lablink-vm-test-1';
const COMMAND = 'start-host --code="4/0Aone" --redirect-url="https://example.org"';
const SHARED = { SECRET_KEY: 'the secret of both allocators of this database' };

let database: TestDatabase;
let one: TestServer;
let two: TestServer;
beforeAll(async () => {
  database = await createTestDatabase();
  one = await startTestServer(SHARED, {}, database);
  two = await startTestServer(SHARED, {}, database);
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.db.deleteFrom('assignments').execute();
  await database.db.deleteFrom('vms').execute();
  await insertFreeVms(database.db, [VM]);
});

const poll = (server: TestServer): Promise<RawAnswer> =>
  postJson(server.url, '/vm_startup', { hostname: VM });
const ask = (server: TestServer, more: Record<string, string> = {}): Promise<RawAnswer> =>
  sendRaw(server.url, {
    method: 'POST',
    path: '/api/request_vm',
    headers: { ...formHeaders, Accept: 'application/json', ...more },
    body: new URLSearchParams({ email: 'ada@example.org', crd_command: COMMAND }).toString(),
  });
const waits = async (): Promise<boolean> =>
  (await sql`select from vm_presence where waiting_until > now()`.execute(database.db)).rows.length > 0;

describe('a machine and a participant', () => {
  test('a machine waits at one allocator, the participant asks the other, and comes back at either', async () => {
    const waiting = poll(one);
    await expect.poll(waits, POLLING).toBe(true);
    const asked = await ask(two);
    const given = JSON.parse(asked.text) as { readonly pin: string };
    expect(asked.status).toBe(200);
    expect(JSON.parse((await waiting).text)).toMatchObject({ status: 'success', pin: given.pin });
    // The cookie of the one is understood by the other: no PIN is asked for, and no second machine given.
    const cookie = [asked.headers['set-cookie'] ?? []]
      .flat()
      .map((text) => text.split(';')[0])
      .join('; ');
    const again = await ask(one, { Cookie: cookie });
    expect(JSON.parse(again.text)).toMatchObject({ hostname: VM, pin: given.pin });
    // Another browser is asked for the PIN at either.
    expect((await ask(one)).text).toContain('pin_required');
  });

  test('of two polls of one machine at two allocators, the older one is refused, and the newer one gets the command', async () => {
    for (const [here, there] of [
      [one, two],
      [two, one],
    ] as const) {
      const older = poll(here);
      await expect.poll(waits, POLLING).toBe(true);
      const newer = poll(there);
      const refused = await older;
      expect(refused.status).toBe(409);
      expect(refused.text).toContain('poll_superseded');
      const { pin } = JSON.parse((await ask(here)).text) as { readonly pin: string };
      expect(JSON.parse((await newer).text)).toMatchObject({ status: 'success', pin });
      await database.db.deleteFrom('assignments').execute();
      // What the next turn waits for must be its own poll.
      await expect.poll(waits, POLLING).toBe(false);
    }
  });

  test('a workshop that is closed at one allocator is closed at the other with its next request', async () => {
    // The other knows the settings as they are now.
    expect((await two.admin.GET('/api/v1/settings')).data?.closes_at ?? null).toBeNull();
    const close = (closes_at: string | null) => one.admin.PATCH('/api/v1/settings', { body: { closes_at } });
    expect((await close('2020-01-31T12:00:00Z')).response.status).toBe(200);
    expect((await ask(two)).text).toContain('workshop_closed');
    expect((await close(null)).response.status).toBe(200);
    expect((await ask(two)).status).toBe(200);
  });
});

describe('an open page of an admin', () => {
  const listen = (server: TestServer, id = ''): Promise<EventReader> =>
    readEvents(`${server.url}/api/v1/vms/events`, {
      ...adminHeaders,
      ...(id !== '' && { 'Last-Event-ID': id }),
    });
  const shows =
    (status: string) =>
    ({ data }: { readonly data: unknown }): boolean =>
      JSON.stringify(data).includes(`"status":"${status}"`);

  test('a change at one allocator is seen by the event streams of both, and a stream resumes at the other', async () => {
    let seen = '';
    {
      await using first = await listen(one);
      await using second = await listen(two);
      for (const stream of [first, second]) await stream.until(shows('running'));
      expect((await postJson(one.url, '/api/vm-status', { hostname: VM, status: 'error' })).status).toBe(200);
      for (const stream of [first, second]) {
        const [{ id } = { id: '' }] = (await stream.until(shows('error'))).slice(-1);
        seen = id;
      }
    }
    expect(seen).not.toBe('');
    expect((await postJson(two.url, '/api/vm-status', { hostname: VM, status: 'running' })).status).toBe(200);
    await using resumed = await listen(one, seen);
    await resumed.until(shows('running'));
  });
});

describe('what runs at intervals', () => {
  test('machines that fall silent while several allocators look are marked and recorded once', async () => {
    const names = vmNames(20).slice(1);
    await insertFreeVms(database.db, names);
    await sql`insert into vm_presence (hostname, boot_id, last_seen_at)
      select hostname, 'boot-1', now() - interval '10 minutes' from vms on conflict (hostname)
      do update set boot_id = 'boot-1', last_seen_at = excluded.last_seen_at, waiting_until = null`.execute(
      database.db,
    );
    const looks = Array.from({ length: 4 }, () => markSilent(database.db, 300));
    const marked = (await Promise.all(looks)).flat().sort();
    expect(marked).toEqual([VM, ...names].sort());
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from vm_events where status = 'unreachable'`.execute(database.db);
    expect(rows).toEqual([{ count: marked.length }]);
  });
});

describe('an allocator that cannot share', () => {
  test.each([
    ['local machines', { ...SHARED, PROVIDER: 'local' }, 'PROVIDER=local runs machines on one computer'],
    ['a state on its disk', { ...SHARED, PROVIDER: 'aws' }, 'PULUMI_BACKEND_URL names no bucket'],
    [
      'a passphrase of its own',
      { ...SHARED, PROVIDER: 'aws', PULUMI_BACKEND_URL: 's3://bucket/state' },
      'PULUMI_CONFIG_PASSPHRASE is not set',
    ],
    ['a password of its own', { ...SHARED, ADMIN_PASSWORD: '' }, 'ADMIN_PASSWORD is not set'],
    ['a key of its own', {}, 'SECRET_KEY is not set'],
  ])('with %s, a second allocator is refused and told why', async (_what, env, reason) => {
    const refused = await startTestServer(env, {}, database).catch((error: unknown) => error);
    expect(String(refused)).toContain('is using this database, and this one cannot share it');
    expect(String(refused)).toContain(reason);
    expect(String(refused)).toContain('docs/operations.md');
  });

  test('an allocator that shares is refused where another one uses the database alone', async () => {
    await using own = await createTestDatabase();
    await using alone = await startTestServer({}, {}, own);
    const refused = await startTestServer(SHARED, {}, own).catch((error: unknown) => error);
    expect(String(refused)).toMatch(/Another allocator \(process \d+ .*\) is using this database alone/);
    expect((await sendRaw(alone.url, { path: '/api/health' })).status).toBe(200);
  });
});
