// The schedule on a real database and queue, with a clock that the tests set and a scripted provider.
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { actOnScheduled, takeDue } from '../../src/db/schedule.ts';
import { listOperations } from '../../src/db/operations.ts';
import { createScheduleClock } from '../../src/schedule/clock.ts';
import { startTestOperations, type TestOperations } from '../support/operations.ts';
import { after, dayOf, HOUR_MS, MINUTE_MS } from '../support/schedule-day.ts';

let lab: TestOperations;
beforeAll(async () => {
  lab = await startTestOperations({ alone: false });
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await dayOf(lab).idle();
  lab.provider.machines.clear();
  await sql`truncate schedule, operations, vms, assignments, notifications, audit_events, deployment_identity cascade`.execute(
    lab.db,
  );
});

describe('what is planned', () => {
  test('runs at its time and not before, once among several allocators, and names who planned it', async () => {
    await using other = await startTestOperations({ alone: false, on: lab.database, scripted: lab.provider });
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'launch', num_vms: 2, hours: 5 });
    const runners = [await day.start(), await day.start({ operations: other.operations })];
    const lookAtOnce = () => Promise.all([...runners, ...runners].map(({ look }) => look()));
    day.now = after(-1);
    await lookAtOnce();
    expect(await day.started()).toEqual([]);
    day.now = after(0);
    await lookAtOnce();
    expect(await day.started()).toEqual(['launch 2 schedule (ada)']);
    await day.idle();
    await lookAtOnce();
    expect(await day.started()).toHaveLength(1);
    expect(lab.provider.machines.size).toBe(2);
    const entry = await day.entry(id);
    const { operations } = await listOperations(lab.db, { limit: 1 });
    expect(entry).toMatchObject({ state: 'done', operationId: operations[0]?.id, problem: null });
    expect(operations[0]?.scheduleId).toBe(id);
  });

  test('is taken over once from an allocator that was killed in between', async () => {
    const day = dayOf(lab);
    await day.plan({ kind: 'launch', num_vms: 1 });
    day.now = after(0);
    const killed = await takeDue(lab.db, day.now, { owner: 'killed', leaseMs: 60_000 });
    const runner = await day.start();
    await runner.look();
    expect(await day.started()).toEqual([]);
    await sql`update schedule set lease_until = now() - interval '1 second'`.execute(lab.db);
    await Promise.all([runner.look(), runner.look()]);
    expect(killed).not.toBeNull();
    expect(await day.started()).toEqual(['launch 1 schedule (ada)']);
  });

  test('starts nothing when it is cancelled at the last moment', async () => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'launch', num_vms: 1 });
    day.now = after(0);
    const runner = await day.start({
      operations: {
        ...lab.operations,
        launch: async (request) => {
          await actOnScheduled(lab.db, 'cancel', { id, who: 'grace', now: day.now });
          return lab.operations.launch(request);
        },
      },
    });
    await runner.look();
    expect(await day.started()).toEqual([]);
    expect(await day.entry(id)).toMatchObject({ state: 'cancelled' });
    const kinds = lab.db.selectFrom('audit_events').select(['who', 'what']).orderBy('id');
    expect(await kinds.execute()).toEqual([
      { who: 'ada', what: 'schedule-add' },
      { who: 'grace', what: 'schedule-cancel' },
    ]);
  });

  test('waits while another operation runs', async () => {
    lab.provider.script.holdAfter = 0;
    const day = dayOf(lab);
    const running = await lab.launch(1);
    const id = await day.plan({ kind: 'destroy' });
    const runner = await day.start();
    day.now = after(0);
    await runner.look();
    expect((await day.entry(id))?.problem).toContain('Another operation');
    lab.provider.release();
    await lab.ended(running.id);
    day.now = after(MINUTE_MS);
    await runner.look();
    expect(await day.started()).toEqual(['destroy all schedule (ada)']);
  });

  test('keeps its time on the wall when the rules of its zone have changed since it was planned', async () => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'launch', num_vms: 1, time: '2027-03-29T08:00' });
    // As a program with older rules would have computed it: without daylight saving.
    await sql`update schedule set due_at = due_at + interval '1 hour'`.execute(lab.db);
    const runner = await day.start();
    day.now = new Date('2027-03-29T06:00:00Z');
    await runner.look();
    expect(await day.entry(id)).toMatchObject({ state: 'done', dueAt: day.now });
  });
});

describe('what was missed while the server was down', () => {
  test.each([
    ['a destroy runs at once, even days later', { kind: 'destroy' }, 72 * HOUR_MS, 'done'],
    ['a launch that is 29 minutes late runs', { kind: 'launch', num_vms: 1 }, 29 * MINUTE_MS, 'done'],
    ['a launch that is 31 minutes late does not', { kind: 'launch', num_vms: 1 }, 31 * MINUTE_MS, 'missed'],
  ])('%s', async (_what, request, lateMs, state) => {
    const day = dayOf(lab);
    const id = await day.plan(request);
    day.now = after(lateMs);
    const runner = await day.start();
    await runner.look();
    expect(await day.entry(id)).toMatchObject({ state });
    expect(await day.started()).toHaveLength(state === 'done' ? 1 : 0);
  });

  test('a missed launch says so, and can be run, changed or cancelled', async () => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'launch', num_vms: 1 });
    day.now = after(HOUR_MS);
    const runner = await day.start();
    await runner.look();
    expect((await day.entry(id))?.problem).toContain('was not running at its time');
    expect(await lab.db.selectFrom('notifications').select('event').execute()).toEqual([
      { event: 'schedule_problem' },
    ]);
    const withoutDownload = { id, who: 'grace', now: day.now };
    expect(await actOnScheduled(lab.db, 'run-without-download', withoutDownload)).toBe('conflict');
    expect(await actOnScheduled(lab.db, 'run', { id, who: 'grace', now: day.now })).toBe('changed');
    expect(await actOnScheduled(lab.db, 'run', { id, who: 'grace', now: day.now })).toBe('same');
    await runner.look();
    expect(await day.started()).toEqual(['launch 1 schedule (grace)']);
    expect(await actOnScheduled(lab.db, 'run', { id, who: 'grace', now: day.now })).toBe('conflict');
    expect(await actOnScheduled(lab.db, 'cancel', { id, who: 'grace', now: day.now })).toBe('conflict');
  });

  test.each([
    ['had planned for a time before the restore', '-1 day', null],
    ['was asked to run before the restore', '1 day', '-1 day'],
  ])('what a restored backup %s needs a decision', async (_what, due, run) => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'destroy' });
    await sql`update schedule set due_at = now() + ${due}::interval, created_at = now() - interval '2 days',
      run_by = case when ${run}::text is not null then 'ada' end, run_at = now() + ${run}::interval,
      wall_time = to_char((now() + ${due}::interval) at time zone zone, 'YYYY-MM-DD"T"HH24:MI')`.execute(
      lab.db,
    );
    await sql`insert into deployment_identity (uid, restored_at) values (${randomUUID().replaceAll('-', '')}, now())`.execute(
      lab.db,
    );
    day.now = new Date();
    const runner = await day.start();
    await runner.look();
    expect(await day.started()).toEqual([]);
    expect((await day.entry(id))?.state).toBe('missed');
    expect((await day.entry(id))?.problem).toContain('restored');
  });
});

test('a clock of the database that jumps forward starts nothing; time that passes does', async () => {
  const day = dayOf(lab);
  await day.plan({ kind: 'destroy' });
  let [jumpedMs, passedMs] = [0, 0];
  const clock = createScheduleClock({
    readDatabase: () => Promise.resolve(new Date(day.now.getTime() + jumpedMs + passedMs)),
    passedMs: () => passedMs,
  });
  const runner = await day.start({ now: clock.read });
  await runner.look();
  jumpedMs = 5 * HOUR_MS;
  await runner.look();
  passedMs = HOUR_MS - MINUTE_MS;
  await runner.look();
  expect(await day.started()).toEqual([]);
  passedMs = HOUR_MS;
  await runner.look();
  expect(await day.started()).toEqual(['destroy all schedule (ada)']);
});
