import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import { listShutdowns } from '../../src/db/shutdown.ts';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { listVmHours } from '../../src/db/vm-hours.ts';
import { listOperations } from '../../src/db/operations.ts';
import { createShutdowns } from '../../src/provision/shutdowns.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { shortIntervals, startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { giveThisVm } from '../support/rows.ts';

const HOUR_MS = 3_600_000;
const START = new Date('2026-11-25T09:00:00.000Z');
const at = (hours: number): Date => new Date(START.getTime() + hours * HOUR_MS);

/** A clock that is set by the test. */
function clockAt(start: Date): { now: () => Date; set: (time: Date) => void } {
  let time = start;
  return { now: () => time, set: (next) => (time = next) };
}

const audit = ({ db }: TestOperations) =>
  db.selectFrom('audit_events').select(['who', 'what', 'detail']).orderBy('id').execute();

/** Rows are compared with machines all the time. */
const watching = { ...shortIntervals, reconcileMs: 50 };
/** A test looks by itself. */
const resting = { ...shortIntervals, shutdownsMs: 3_600_000 };
const hoursRule = { hours: 8, canary: { above: null, limitMs: 1_000 } } as const;

test('a launch uses the requested end time, or else the default one, and passes it to the provider', async () => {
  const clock = clockAt(START);
  await using lab = await startTestOperations({ as: 'aws', now: () => clock.now(), rules: hoursRule });
  const first = await lab.launch(1);
  expect(first.shutdownAt).toEqual(at(8));
  await lab.ended(first.id);
  expect(lab.provider.spec().shutdownAt).toEqual(at(8));
  await lab.ended((await lab.launch(1, 3)).id);
  expect(lab.provider.spec().shutdownAt).toEqual(at(3));
  expect(await listShutdowns(lab.db)).toMatchObject([{ shutdownAt: at(8) }, { shutdownAt: at(3) }]);
  expect((await audit(lab))[0]?.detail).toBe('1 machine, until 2026-11-25 17:00 UTC');
});

test('a launch without a default has no end time unless one is requested', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  expect(lab.provider.spec().shutdownAt).toBeNull();
  expect(await listShutdowns(lab.db)).toMatchObject([{ shutdownAt: null }]);
});

test('extending sends every machine its new end time, and again to a machine that could not be reached', async () => {
  const clock = clockAt(START);
  await using lab = await startTestOperations({ as: 'aws', now: () => clock.now(), rules: hoursRule });
  await lab.ended((await lab.launch(2)).id);
  lab.provider.script.unreachable = new Map([['lab-vm-test-2', 'SSH does not reach it.']]);
  await lab.operations.extend({ hours: 12, by: 'ada' });
  expect(await listShutdowns(lab.db)).toMatchObject([
    { hostname: 'lab-vm-test-1', shutdownAt: at(12), requestedShutdownAt: null, error: null },
    {
      hostname: 'lab-vm-test-2',
      shutdownAt: at(8),
      requestedShutdownAt: at(12),
      error: 'SSH does not reach it.',
    },
  ]);
  expect(await audit(lab)).toContainEqual({
    who: 'ada',
    what: 'reschedule-shutdown',
    detail: '2 machines, until 2026-11-25 21:00 UTC',
  });
  lab.provider.script.unreachable = new Map();
  await vi.waitFor(async () => {
    expect((await listShutdowns(lab.db))[1]).toMatchObject({
      shutdownAt: at(12),
      requestedShutdownAt: null,
      error: null,
    });
  }, WAIT);
  expect(lab.provider.shutdownTimes.get('lab-vm-test-2')).toEqual(at(12));
});

test('at the end time an audit event is written, and a row is removed only after its machine has shut itself down', async () => {
  const clock = clockAt(START);
  await using lab = await startTestOperations({
    as: 'aws',
    now: () => clock.now(),
    rules: hoursRule,
    intervals: watching,
  });
  const { id } = await lab.launch(2);
  await lab.ended(id);
  clock.set(at(8.1));
  await vi.waitFor(async () => {
    expect(await audit(lab)).toContainEqual({
      who: 'the shutdown time',
      what: 'shutdown',
      detail: 'shutdown time reached: lab-vm-test-1, lab-vm-test-2',
    });
  }, WAIT);
  expect(await listVmRows(lab.db)).toHaveLength(2);
  lab.provider.machines.delete('lab-vm-test-1');
  await vi.waitFor(async () => {
    expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['lab-vm-test-2']);
  }, WAIT);
  expect(await audit(lab)).toContainEqual({
    who: 'the shutdown time',
    what: 'shutdown',
    detail: 'shut down: lab-vm-test-1',
  });
  // The hours of both machines are kept.
  const ledger = await listVmHours(lab.db);
  expect(ledger.map(({ hostname, destroyedAt }) => [hostname, destroyedAt !== null])).toEqual(
    expect.arrayContaining([
      ['lab-vm-test-1', true],
      ['lab-vm-test-2', false],
    ]),
  );
  expect(lab.provider.calls).not.toContain('destroy');
});

test('the row of an assigned machine that has shut itself down stays and is unreachable', async () => {
  const clock = clockAt(START);
  await using lab = await startTestOperations({
    as: 'aws',
    now: () => clock.now(),
    rules: hoursRule,
    intervals: watching,
  });
  await lab.ended((await lab.launch(1)).id);
  await giveThisVm(lab.db, 'lab-vm-test-1');
  clock.set(at(8.1));
  lab.provider.machines.clear();
  await vi.waitFor(async () => {
    expect(await listVmRows(lab.db)).toMatchObject([{ status: 'unreachable' }]);
  }, WAIT);
});

test('only expired machines that cannot shut themselves down are destroyed by the server', async () => {
  const clock = clockAt(START);
  await using lab = await startTestOperations({ now: () => clock.now() });
  await lab.ended((await lab.launch(1, 2)).id);
  await lab.ended((await lab.launch(1)).id);
  clock.set(at(2.01));
  await vi.waitFor(() => {
    expect([...lab.provider.machines.keys()]).toEqual(['lab-vm-test-2']);
  }, WAIT);
  const { operations } = await listOperations(lab.db, { limit: 1 });
  expect(operations).toMatchObject([
    { kind: 'destroy', hostnames: ['lab-vm-test-1'], requestedBy: 'the shutdown time' },
  ]);
});

test('of two servers that share a database, one records the end time of a machine, and it is destroyed once', async () => {
  await using database = await createTestDatabase();
  const clock = clockAt(START);
  const scripted = createScriptedProvider();
  const shared = { on: database, scripted, alone: false, now: () => clock.now() };
  await using one = await startTestOperations(shared);
  await using two = await startTestOperations(shared);
  await one.ended((await one.launch(1, 2)).id);
  clock.set(at(2.01));
  await vi.waitFor(async () => {
    expect(await listVmRows(two.db)).toEqual([]);
  }, WAIT);
  const recorded = (await audit(one)).filter(({ what }) => what === 'shutdown');
  expect(recorded).toMatchObject([{ detail: 'shutdown time reached: lab-vm-test-1' }]);
  expect(scripted.machines.size).toBe(0);
  expect(scripted.calls.filter((call) => call === 'destroy')).toHaveLength(1);
});

test('a machine whose end comes while a server looks is recorded and destroyed with the next look, not destroyed alone', async () => {
  await using lab = await startTestOperations({ now: () => START, intervals: resting });
  await lab.ended((await lab.launch(1, 2)).id);
  const readings = [at(1.99), at(2.01)];
  const asked: (readonly string[])[] = [];
  const shutdowns = createShutdowns({
    db: lab.db,
    provider: lab.provider,
    now: () => readings.shift() ?? at(2.02),
    onEvent: () => undefined,
    onError: (error) => {
      throw error;
    },
    requestDestroy: (hostnames) => Promise.resolve(asked.push(hostnames) > 0),
    signal: AbortSignal.timeout(60_000),
  });
  const recorded = async () => (await audit(lab)).filter(({ what }) => what === 'shutdown').length;
  await shutdowns.follow();
  expect([asked, await recorded()]).toEqual([[], 0]);
  await shutdowns.follow();
  expect([asked, await recorded()]).toEqual([[['lab-vm-test-1']], 1]);
});

test('a machine that another server destroys between a look and its request is not destroyed again', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const clock = clockAt(START);
  const scripted = createScriptedProvider();
  {
    await using lab = await startTestOperations({
      ...{ on: database, scripted, now: () => clock.now() },
      // The search for interrupted operations would wait too.
      intervals: { ...shortIntervals, recoverMs: 3_600_000 },
    });
    await lab.ended((await lab.launch(1, 2)).id);
    await db.transaction().execute(async (trx) => {
      await sql`lock table operations in share mode`.execute(trx);
      clock.set(at(2.01));
      // The server has read the row, and its request waits for the lock.
      await vi.waitFor(async () => {
        const { rows } = await sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
        expect(rows).toHaveLength(1);
      }, WAIT);
      await trx.deleteFrom('vms').execute();
    });
  }
  const operations = await db.selectFrom('operations').select('kind').execute();
  expect(operations).toEqual([{ kind: 'launch' }]);
  expect(scripted.calls).not.toContain('destroy');
});
