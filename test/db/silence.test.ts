import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leaseWaiting } from '../../src/db/delivery.ts';
import { setUnreachable } from '../../src/db/vm-rows.ts';
import { reportHeartbeat, reportInUse, reportStatus } from '../../src/db/reports.ts';
import { markSilent, readDatabaseClock } from '../../src/db/silence.ts';
import { findStatus } from '../../src/db/vms.ts';
import { watchSilence } from '../../src/delivery/silence.ts';
import { hashToken } from '../../src/vms/token.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, insertFreeVms } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => database.db.deleteFrom('vms').execute());

const leaseOf = (seconds: number) => ({ seconds, allocator: crypto.randomUUID(), channel: CHANNEL });
const MINUTE_SECONDS = 60;
const SILENT_SECONDS = 5 * MINUTE_SECONDS;
const heartbeat = (hostname: string) =>
  reportHeartbeat(database.db, hostname, { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: null });
const age = (seconds: number) =>
  sql`update vm_presence set last_seen_at = last_seen_at - make_interval(secs => ${seconds})`.execute(
    database.db,
  );
const status = (hostname = 'a') => findStatus(database.db, hostname);

/** A machine that has sent a heartbeat and was last heard of so long ago. */
async function silentFor(seconds: number, hostname = 'a'): Promise<void> {
  await insertFreeVms(database.db, [hostname]);
  await heartbeat(hostname);
  await age(seconds);
}

describe('a machine whose heartbeats are refused', () => {
  const watch = () =>
    watchSilence({
      db: database.db,
      silentMs: SILENT_SECONDS * 1_000,
      intervalMs: 1_000_000,
      now: () => now,
      onSilent: () => undefined,
      onError: (error) => {
        throw error;
      },
    });
  let now = 0;

  test('refused heartbeats keep a machine running, and bring back one that was unreachable', async () => {
    const silence = watch();
    now += (SILENT_SECONDS + 1) * 1_000;
    await silentFor(SILENT_SECONDS + 10);
    await silentFor(SILENT_SECONDS + 10, 'b');
    silence.heard('a', false);
    await silence.check();
    expect([await status('a'), await status('b')]).toEqual(['running', 'unreachable']);
    silence.heard('b', false);
    await silence.check();
    expect(await status('b')).toBe('running');
    await silence.close();
  });

  test('a machine that has a token lives only by heartbeats that came with it', async () => {
    const silence = watch();
    now += (SILENT_SECONDS + 1) * 1_000;
    await silentFor(SILENT_SECONDS + 10);
    await database.db
      .updateTable('vms')
      .set({ token_hash: hashToken('token') })
      .execute();
    silence.heard('a', false);
    await silence.check();
    expect(await status()).toBe('unreachable');
    silence.heard('a', true);
    silence.heard('a', false);
    await silence.check();
    expect(await status()).toBe('running');
    await silence.close();
  });
});

describe('a silent machine', () => {
  test('a VM becomes unreachable after the silence limit, and not before', async () => {
    await silentFor(SILENT_SECONDS - 10);
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
    await age(20);
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual(['a']);
    expect(await status()).toBe('unreachable');
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a heartbeat', () => heartbeat('a')],
    ['a report', () => reportInUse(database.db, 'a', true)],
    [
      'its status',
      () => reportStatus(database.db, { hostname: 'a', status: 'running', provider: 'external' }),
    ],
    ['a poll', () => leaseWaiting(database.db, [{ hostname: 'a', confirms: true }], leaseOf(35))],
  ])('an unreachable VM comes back with %s', async (_what, report) => {
    await silentFor(SILENT_SECONDS + 10);
    await markSilent(database.db, SILENT_SECONDS);
    await report();
    expect(await status()).toBe('running');
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
  });

  test('a VM that no longer exists does not come back after a late heartbeat', async () => {
    await insertFreeVms(database.db, ['a']);
    await setUnreachable(database.db, ['a']);
    await heartbeat('a');
    expect(await status()).toBe('unreachable');
  });

  test('a VM that reported an error and then disappeared stays unreachable', async () => {
    await silentFor(SILENT_SECONDS + 10);
    await markSilent(database.db, SILENT_SECONDS);
    await reportStatus(database.db, { hostname: 'a', status: 'error', provider: 'external' });
    await setUnreachable(database.db, ['a']);
    await heartbeat('a');
    expect(await status()).toBe('unreachable');
  });
});

describe('VMs that are never silent', () => {
  test('a VM whose agent sends no heartbeats does not become unreachable', async () => {
    await insertFreeVms(database.db, ['a']);
    await reportInUse(database.db, 'a', true);
    await leaseWaiting(database.db, [{ hostname: 'a', confirms: false }], leaseOf(0));
    await age(SILENT_SECONDS * 10);
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
  });

  test('a VM that was never seen, or is polling, does not become unreachable', async () => {
    await insertFreeVms(database.db, ['b']);
    await silentFor(SILENT_SECONDS + 10);
    await sql`update vm_presence set waiting_until = now() + interval '10 seconds'`.execute(database.db);
    expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
  });

  test.each(['initializing', 'error', 'recycling', 'destroying'])(
    'a VM with the status %s does not become unreachable',
    async (other) => {
      await silentFor(SILENT_SECONDS + 10);
      await database.db.updateTable('vms').set({ status: other }).execute();
      expect(await markSilent(database.db, SILENT_SECONDS)).toEqual([]);
      expect(await status()).toBe(other);
    },
  );
});

describe('the watch', () => {
  const INTERVAL_MS = 60_000;
  function watch() {
    const clock = { now: 1_000_000, databaseNow: 1_000_000 };
    const silent: string[] = [];
    const watching = watchSilence({
      db: database.db,
      silentMs: SILENT_SECONDS * 1_000,
      intervalMs: INTERVAL_MS,
      now: () => clock.now,
      databaseNow: () => Promise.resolve(clock.databaseNow),
      onSilent: (hostnames) => silent.push(...hostnames),
      onError: (error) => {
        throw error;
      },
    });
    /** As many looks as there are in so many minutes. */
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute++) {
        clock.now += INTERVAL_MS;
        clock.databaseNow += INTERVAL_MS;
        await watching.check();
      }
    };
    return { ...watching, clock, silent, pass };
  }

  test('the silence limit starts again when the server starts', async () => {
    await silentFor(3_600);
    const { pass, silent, close } = watch();
    await pass(4);
    expect(silent).toEqual([]);
    await pass(1);
    expect(silent).toEqual(['a']);
    await close();
  });

  test('the silence limit starts again after a sleep of the server or a clock change', async () => {
    await silentFor(0);
    const { clock, pass, silent, close } = watch();
    await pass(6);
    await age(3_600);
    clock.now += 3_600_000;
    await pass(4);
    clock.now -= 7_200_000;
    await pass(5);
    expect(silent).toEqual([]);
    await pass(1);
    expect(silent).toEqual(['a']);
    await close();
  });

  test('the clock of the database is read in milliseconds', async () => {
    const differenceMs = (await readDatabaseClock(database.db)) - Date.now();
    expect(Math.abs(differenceMs)).toBeLessThan(60_000);
  });

  test('the silence limit starts again when the clock of the database jumps', async () => {
    await silentFor(0);
    const { clock, pass, silent, close } = watch();
    await pass(6);
    // As its rows look after a jump forward by an hour.
    await age(3_600);
    clock.databaseNow += 3_600_000;
    await pass(1);
    expect(silent).toEqual([]);
    // The agent that lives reports before the limit has passed again.
    await heartbeat('a');
    await pass(5);
    expect(silent).toEqual([]);
    await close();
  });
});
