// Which machines wait, as it is written down while the database comes and goes.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import type { WaitingVm } from '../../src/db/delivery.ts';
import { createPresence } from '../../src/delivery/presence.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, insertFreeVms } from '../support/rows.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const POLLING = { timeout: 15_000, interval: 20 };

/** The presence of an allocator, and the machines that wait there. */
function startPresence(db: Db) {
  const waiting = new Map<string, WaitingVm>();
  const moved: string[] = [];
  const errors: unknown[] = [];
  const presence = createPresence({
    db,
    allocator: randomUUID(),
    channel: CHANNEL,
    find: (hostname) => waiting.get(hostname),
    all: () => [...waiting.values()],
    onMoved: (hostname) => moved.push(hostname),
    onError: (error) => errors.push(error),
  });
  return {
    ...{ presence, moved, errors },
    poll: (hostname: string) => {
      waiting.set(hostname, { hostname, confirms: true });
      presence.changed(hostname);
    },
    leave: (hostname: string) => {
      waiting.delete(hostname);
      presence.changed(hostname);
    },
  };
}

test('a machine that left while the database was away waits no longer once it is back', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const proxy = stack.use(await startTcpProxy(database.connectionString));
  const db = connectDatabase({
    connectionString: proxy.connectionString,
    poolSize: 1,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
  });
  stack.defer(() => db.destroy());
  await insertFreeVms(database.db, ['vm-1']);
  const here = startPresence(db);
  here.poll('vm-1');
  const waits = async (): Promise<boolean[]> => {
    const rows = await database.db.selectFrom('vm_presence').select('waiting_until').execute();
    return rows.map(({ waiting_until: until }) => until !== null);
  };
  await expect.poll(waits, POLLING).toEqual([true]);

  await proxy.cut();
  here.leave('vm-1');
  await expect.poll(() => here.errors.length, POLLING).toBe(1);
  await proxy.restore();
  expect(await waits()).toEqual([true]);
  here.presence.renew();
  await expect.poll(waits, POLLING).toEqual([false]);
  await here.presence.close();
});

describe('a machine that polls at two allocators', () => {
  const whereIs = async ({ db }: TestDatabase) =>
    (await db.selectFrom('vm_presence').select('waits_at').where('hostname', '=', 'vm-1').executeTakeFirst())
      ?.waits_at;

  test('a machine whose newer poll was not announced is found to wait elsewhere at the next renewal', async () => {
    await using database = await createTestDatabase();
    await insertFreeVms(database.db, ['vm-1', 'vm-2']);
    const [older, newer] = [startPresence(database.db), startPresence(database.db)];
    older.poll('vm-1');
    older.poll('vm-2');
    await expect.poll(() => whereIs(database), POLLING).toBeTruthy();
    const before = await whereIs(database);
    newer.poll('vm-1');
    await expect.poll(() => whereIs(database), POLLING).not.toBe(before);
    newer.presence.renew();
    older.presence.renew();
    await expect.poll(() => older.moved, POLLING).toEqual(['vm-1']);
    await Promise.all([older.presence.close(), newer.presence.close()]);
    expect(newer.moved).toEqual([]);
  });

  test('a poll that could not be recorded does not end one that began later', async () => {
    await using stack = new AsyncDisposableStack();
    const database = stack.use(await createTestDatabase());
    const proxy = stack.use(await startTcpProxy(database.connectionString));
    const cutOff = connectDatabase({
      connectionString: proxy.connectionString,
      poolSize: 1,
      applicationName: 'lablink test',
      onIdleError: () => undefined,
    });
    stack.defer(() => cutOff.destroy());
    await insertFreeVms(database.db, ['vm-1', 'vm-2']);
    const [here, there] = [startPresence(cutOff), startPresence(database.db)];
    await proxy.cut();
    here.poll('vm-1');
    await expect.poll(() => here.errors.length, POLLING).toBe(1);
    there.poll('vm-1');
    await expect.poll(() => whereIs(database), POLLING).toBeTruthy();
    const newest = await whereIs(database);
    await proxy.restore();
    here.poll('vm-2');
    here.presence.renew();
    await expect.poll(() => here.moved, POLLING).toEqual(['vm-1']);
    expect(await whereIs(database)).toBe(newest);
    there.presence.renew();
    await Promise.all([here.presence.close(), there.presence.close()]);
    expect(there.moved).toEqual([]);
  });

  test('a notice that comes late does not end the poll that is the newest by now', async () => {
    await using database = await createTestDatabase();
    await insertFreeVms(database.db, ['vm-1']);
    const [here, there] = [startPresence(database.db), startPresence(database.db)];
    here.poll('vm-1');
    await expect.poll(() => whereIs(database), POLLING).toBeTruthy();
    const first = await whereIs(database);
    there.poll('vm-1');
    await expect.poll(() => whereIs(database), POLLING).not.toBe(first);
    // The notice of that poll arrives, and while the row is read, the machine polls here again.
    const lock = await database.db.startTransaction().execute();
    await sql`select from vm_presence for update`.execute(lock);
    here.presence.check('vm-1');
    const blocked = () =>
      sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(
        database.db,
      );
    await expect.poll(async () => (await blocked()).rows.length, POLLING).toBe(1);
    here.poll('vm-1');
    await lock.commit().execute();
    await expect.poll(() => whereIs(database), POLLING).toBe(first);
    here.presence.check('vm-1');
    await Promise.all([here.presence.close(), there.presence.close()]);
    expect(here.moved).toEqual([]);
    expect([here.errors, there.errors]).toEqual([[], []]);
  });
});
