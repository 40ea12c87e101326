import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { databaseProblem } from '../../src/db/errors.ts';
import { reportHeartbeat, reportStatus } from '../../src/db/reports.ts';
import { markSilent } from '../../src/db/silence.ts';
import { markHealthy } from '../../src/db/vm-actions.ts';
import { findVm } from '../../src/db/vms.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
});

test('a report during the deletion of its VM is answered like one of an unknown VM, or has to be repeated; it is no internal error', async () => {
  await insertFreeVms(database.db, ['a']);
  const told = await database.db.transaction().execute(async (trx) => {
    await trx.deleteFrom('vms').execute();
    const report = reportHeartbeat(database.db, 'a', {
      bootId: 'boot-1',
      address: '10.0.0.5',
      freeDiskBytes: 1,
    }).catch((error: unknown) => databaseProblem(error)?.code);
    await vi.waitFor(async () => {
      const waiting = sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
      expect((await waiting).rows).toHaveLength(1);
    });
    return { report };
  });
  // The second, where its group has not waited for the end of the deletion.
  expect(['unknown_vm', 'overloaded']).toContain(await told.report);
  expect(
    await reportHeartbeat(database.db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: 1 }),
  ).toBe('unknown_vm');
});

describe('status reports that come in another order than they were made', () => {
  const report = (status: 'initializing' | 'running' | 'error', bootId: string, uptimeMs: number) =>
    reportStatus(database.db, { hostname: 'a', status, madeAt: { bootId, uptimeMs }, provider: 'external' });
  const statusOfA = async () => (await findVm(database.db, 'a'))?.status;

  test('of the reports of one boot the newest counts, in whatever order they come', async () => {
    await report('running', 'boot-1', 900);
    await report('initializing', 'boot-1', 100);
    expect(await statusOfA()).toBe('running');
    await report('error', 'boot-1', 1_000);
    await report('running', 'boot-1', 950);
    expect(await statusOfA()).toBe('error');
    await report('running', 'boot-1', 2_000);
    expect(await statusOfA()).toBe('running');
  });

  test('a newer report counts also where it brings no news', async () => {
    await report('running', 'boot-1', 900);
    await report('running', 'boot-1', 2_000);
    await report('error', 'boot-1', 1_500);
    expect(await statusOfA()).toBe('running');
  });

  test('a report that arrives twice does not undo what an admin has done meanwhile', async () => {
    await report('error', 'boot-1', 1_500);
    await markHealthy(database.db, { hostname: 'a', by: 'ada' });
    expect(await statusOfA()).toBe('running');
    await report('error', 'boot-1', 1_500);
    expect(await statusOfA()).toBe('running');
  });

  test('a report of an earlier boot that comes late holds back none of the present one', async () => {
    await report('initializing', 'boot-2', 100);
    await report('initializing', 'boot-1', 9_000);
    await report('running', 'boot-2', 200);
    expect(await statusOfA()).toBe('running');
  });

  test('a report of an earlier boot that comes late counts until the answer to a heartbeat shows it', async () => {
    const heartbeat = () =>
      reportHeartbeat(database.db, 'a', { bootId: 'boot-2', address: '10.0.0.5', freeDiskBytes: 5 });
    await reportStatus(database.db, { hostname: 'a', status: 'running', provider: 'external' });
    expect(await heartbeat()).toEqual({ lastStatus: null });
    await report('error', 'boot-2', 200);
    expect(await heartbeat()).toEqual({ lastStatus: { bootId: 'boot-2', uptimeMs: 200 } });
    await report('running', 'boot-1', 9_000);
    expect(await statusOfA()).toBe('running');
    expect(await heartbeat()).toEqual({ lastStatus: { bootId: 'boot-1', uptimeMs: 9_000 } });
    await report('error', 'boot-2', 300);
    expect(await statusOfA()).toBe('error');
    expect(await heartbeat()).toEqual({ lastStatus: { bootId: 'boot-2', uptimeMs: 300 } });
  });

  test("two machines of one hostname do not replace each other's status with every heartbeat", async () => {
    const heartbeat = (bootId: string) =>
      reportHeartbeat(database.db, 'a', { bootId, address: `address of ${bootId}`, freeDiskBytes: 5 });
    await report('running', 'boot-1', 900);
    await heartbeat('boot-1');
    await heartbeat('boot-2');
    expect(await heartbeat('boot-1')).toEqual({ lastStatus: null });
    expect(await heartbeat('boot-2')).toEqual({ lastStatus: null });
  });

  test('a late report does not end the silence of a machine', async () => {
    await report('running', 'boot-1', 900);
    await reportHeartbeat(database.db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: 5 });
    await sql`update vm_presence set last_seen_at = now() - interval '10 minutes'`.execute(database.db);
    await markSilent(database.db, 60);
    await report('initializing', 'boot-1', 100);
    expect(await statusOfA()).toBe('unreachable');
  });

  test.each([
    { first: 'error', firstMs: 900, second: 'running', secondMs: 500, last: 'error' },
    { first: 'error', firstMs: 500, second: 'running', secondMs: 900, last: 'running' },
    { first: 'running', firstMs: 900, second: 'error', secondMs: 500, last: 'running' },
  ] as const)(
    'of two reports that wait for one row, the newer counts: $first at $firstMs ms, $second at $secondMs ms',
    async ({ first, firstMs, second, secondMs, last }) => {
      await report('initializing', 'boot-1', 100);
      const { waiting } = await database.db.transaction().execute(async (trx) => {
        const held = { bootId: 'boot-1', uptimeMs: firstMs };
        await reportStatus(trx, { hostname: 'a', status: first, madeAt: held, provider: 'external' });
        const other = report(second, 'boot-1', secondMs);
        await vi.waitFor(async () => {
          const { rows } = await sql`select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
          expect(rows).toHaveLength(1);
        });
        return { waiting: other };
      });
      expect(await waiting).toBe('recorded');
      expect(await statusOfA()).toBe(last);
    },
  );

  test('a report that does not say when it was made counts', async () => {
    await report('running', 'boot-1', 900);
    await reportStatus(database.db, { hostname: 'a', status: 'initializing', provider: 'external' });
    expect(await statusOfA()).toBe('initializing');
  });
});
