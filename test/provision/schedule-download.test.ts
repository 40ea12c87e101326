// What a planned destroy downloads before: what is kept, how often it is tried, and what ends it.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { listOperations } from '../../src/db/operations.ts';
import { actOnScheduled, changeScheduled } from '../../src/db/schedule.ts';
import type { Collected } from '../../src/schedule/collect-work.ts';
import type { ScheduleOptions } from '../../src/schedule/runner.ts';
import { readPlan } from '../../src/vms/schedule.ts';
import { startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { after, dayOf, give, HOUR_MS, MINUTE_MS, morning, NOTHING } from '../support/schedule-day.ts';

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

describe('a download before a destroy', () => {
  test('that is not complete keeps the machines that it missed, and is tried again', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(3)).id);
    const [first = '', second = '', third = ''] = [...lab.provider.machines.keys()].sort();
    const others = [second, third];
    await give(lab, first, 'ann@example.org');
    await give(lab, second, 'bob@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    const answers: Collected[] = [
      { archive: '/backups/one.zip', whole: [second], problem: `${first}: no connection.` },
      { archive: '/backups/two.zip', whole: [first], problem: '' },
    ];
    const runner = await day.start({ collectWork: () => Promise.resolve(answers.shift() ?? NOTHING) });
    day.now = after(0);
    await runner.look();
    await day.idle();
    expect([...lab.provider.machines.keys()]).toEqual([first]);
    expect(await day.started()).toEqual([`destroy ${others.join('+')} schedule (ada)`]);
    expect(await day.entry(id)).toMatchObject({
      state: 'pending',
      kept: [first],
      archives: ['/backups/one.zip'],
    });
    expect((await day.entry(id))?.problem).toContain('no connection');
    day.now = after(9 * MINUTE_MS);
    await runner.look();
    expect(answers).toHaveLength(1);
    day.now = after(10 * MINUTE_MS);
    await runner.look();
    await day.idle();
    expect(lab.provider.machines.size).toBe(0);
    expect(await day.entry(id)).toMatchObject({
      ...{ state: 'done', kept: [] },
      archives: ['/backups/one.zip', '/backups/two.zip'],
    });
    const audit = await lab.db
      .selectFrom('audit_events')
      .select(['who', 'what', 'detail'])
      .orderBy('id')
      .execute();
    expect(
      audit.filter(({ who }) => who.startsWith('schedule')).map(({ what, detail }) => `${what}: ${detail}`),
    ).toEqual([
      `destroy: ${others.join(', ')}`,
      'schedule-download: /backups/one.zip',
      `schedule-keep: ${first}`,
      'destroy: all machines',
      'schedule-download: /backups/two.zip',
    ]);
  });

  test('that never succeeds ends after six hours with a question, and the organiser decides', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(1)).id);
    const names = [...lab.provider.machines.keys()];
    await give(lab, names[0] ?? '', 'ann@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start({
      collectWork: () => Promise.resolve({ archive: null, whole: [], problem: 'The bucket is gone.' }),
    });
    for (let tries = 0; tries < 40; tries += 1) {
      day.now = after(tries * 10 * MINUTE_MS);
      await runner.look();
    }
    expect(await day.entry(id)).toMatchObject({ state: 'missed', attempts: 36, kept: names });
    await lab.ended((await lab.launch(1)).id);
    const [launched = ''] = [...lab.provider.machines.keys()].filter((name) => !names.includes(name));
    await give(lab, launched, 'bob@example.org');
    expect(lab.provider.machines.size).toBe(2);
    await actOnScheduled(lab.db, 'run-without-download', { id, who: 'grace', now: day.now });
    await runner.look();
    await day.idle();
    expect([...lab.provider.machines.keys()]).toEqual([launched]);
  });

  test('keeps a machine that another participant gets while files are downloaded', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(3)).id);
    const [first = '', second = '', third = ''] = [...lab.provider.machines.keys()].sort();
    await give(lab, first, 'ann@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start({
      collectWork: async () => {
        await give(lab, first, 'bob@example.org');
        await give(lab, second, 'eve@example.org');
        return { archive: '/backups/one.zip', whole: [first, second, third], problem: '' };
      },
    });
    day.now = after(0);
    await runner.look();
    await day.idle();
    expect([...lab.provider.machines.keys()].sort()).toEqual([first, second]);
    expect(await day.entry(id)).toMatchObject({ state: 'pending', kept: [first, second] });
  });

  test('keeps a machine that somebody gets after it, before the destroy', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(3)).id);
    const [first = '', second = '', third = ''] = [...lab.provider.machines.keys()].sort();
    await give(lab, first, 'ann@example.org');
    await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start({
      collectWork: () => Promise.resolve({ archive: '/backups/one.zip', whole: [first], problem: '' }),
      operations: {
        ...lab.operations,
        destroyPlanned: async (asked) => {
          await give(lab, second, 'eve@example.org');
          return lab.operations.destroyPlanned(asked);
        },
      },
    });
    day.now = after(0);
    await runner.look();
    await day.idle();
    expect([...lab.provider.machines.keys()]).toEqual([second]);
    const [operation] = (await listOperations(lab.db, { limit: 1 })).operations;
    expect(operation).toMatchObject({ kind: 'destroy', status: 'failed', failed: 1, done: 2, total: 3 });
    expect((await lab.texts(operation?.id ?? '')).join('\n')).toContain('eve@example.org');
    expect(lab.provider.machines.has(third)).toBe(false);
  });

  test('that a launch overtakes is done again when the launch has ended; both archives are listed', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(1)).id);
    const [first = ''] = lab.provider.machines.keys();
    await give(lab, first, 'ann@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    let downloads = 0;
    const runner = await day.start({
      collectWork: async () => {
        downloads += 1;
        if (downloads === 1) {
          lab.provider.script.holdAfter = 0;
          await lab.reached((await lab.launch(1)).id, 'running');
        }
        return { archive: `/backups/${downloads}.zip`, whole: [first], problem: '' };
      },
    });
    day.now = after(0);
    await runner.look();
    expect(await day.started()).toEqual([]);
    expect(await day.entry(id)).toMatchObject({ state: 'pending', archives: ['/backups/1.zip'] });
    lab.provider.release();
    const [launch] = (await listOperations(lab.db, { limit: 1 })).operations;
    await lab.ended(launch?.id ?? '');
    day.now = after(MINUTE_MS);
    await runner.look();
    await day.idle();
    expect(lab.provider.machines.size).toBe(0);
    expect(await day.entry(id)).toMatchObject({
      state: 'done',
      archives: ['/backups/1.zip', '/backups/2.zip'],
    });
    const recorded = lab.db
      .selectFrom('audit_events')
      .select('detail')
      .where('what', '=', 'schedule-download');
    expect(await recorded.orderBy('id').execute()).toEqual([
      { detail: '/backups/1.zip' },
      { detail: '/backups/2.zip' },
    ]);
  });

  test.each(['restored', 'adopted'])(
    'keeps a machine that it missed and that was %s: who had it is not known',
    async (how) => {
      const day = dayOf(lab);
      await lab.ended((await lab.launch(1)).id);
      const names = [...lab.provider.machines.keys()];
      if (how === 'restored')
        await sql`insert into deployment_identity (uid, restored_at) values (${'x'.repeat(32)}, now())`.execute(
          lab.db,
        );
      else await sql`update vms set status = 'unreachable', status_event = 'adopt'`.execute(lab.db);
      const id = await day.plan({ kind: 'destroy', download: true });
      const runner = await day.start();
      day.now = after(0);
      await runner.look();
      await day.idle();
      expect([...lab.provider.machines.keys()]).toEqual(names);
      expect(await day.entry(id)).toMatchObject({ state: 'pending', kept: names });
    },
  );

  test('that is tried again destroys what was kept, and no machine that was launched since', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(1)).id);
    const [first = ''] = lab.provider.machines.keys();
    await give(lab, first, 'ann@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    const answers: Collected[] = [NOTHING, { archive: '/backups/one.zip', whole: [first], problem: '' }];
    const runner = await day.start({ collectWork: () => Promise.resolve(answers.shift() ?? NOTHING) });
    day.now = after(0);
    await runner.look();
    expect(await day.entry(id)).toMatchObject({ state: 'pending', kept: [first] });
    await lab.ended((await lab.launch(2)).id);
    day.now = after(10 * MINUTE_MS);
    await runner.look();
    await day.idle();
    expect([...lab.provider.machines.keys()]).toHaveLength(2);
    expect(lab.provider.machines.has(first)).toBe(false);
    expect(await day.entry(id)).toMatchObject({ state: 'done', kept: [] });
  });

  test('of no machines at all ends well', async () => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start();
    day.now = after(0);
    await runner.look();
    await day.idle();
    const [operation] = (await listOperations(lab.db, { limit: 1 })).operations;
    expect(operation).toMatchObject({ kind: 'destroy', status: 'succeeded' });
    expect(await day.entry(id)).toMatchObject({ state: 'done' });
  });

  test('removes external machines from the list, also those that somebody has', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(1)).id);
    const [first = ''] = lab.provider.machines.keys();
    await give(lab, first, 'ann@example.org');
    await lab.db
      .insertInto('vms')
      .values([{ hostname: 'ext', provider: 'external', status: 'running' }])
      .execute();
    await give(lab, 'ext', 'bob@example.org');
    const id = await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start({
      collectWork: () => Promise.resolve({ archive: '/backups/one.zip', whole: [first], problem: '' }),
    });
    day.now = after(0);
    await runner.look();
    await day.idle();
    const [operation] = (await listOperations(lab.db, { limit: 1 })).operations;
    expect(operation).toMatchObject({ kind: 'destroy', status: 'succeeded' });
    expect(await lab.db.selectFrom('vms').selectAll().execute()).toEqual([]);
    expect(await day.entry(id)).toMatchObject({ state: 'done' });
  });

  test('ends when the entry is cancelled or the server stops, and the next start does it again', async () => {
    const day = dayOf(lab);
    const id = await day.plan({ kind: 'destroy', download: true });
    day.now = after(0);
    const begun: AbortSignal[] = [];
    const endless: Partial<ScheduleOptions> = {
      intervals: { lookMs: HOUR_MS, renewMs: 10 },
      collectWork: (_by, signal) => {
        begun.push(signal);
        return new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }),
        );
      },
    };
    const first = await day.start(endless);
    await vi.waitFor(() => expect(begun).toHaveLength(1), WAIT);
    await first.close();
    expect(await day.entry(id)).toMatchObject({ state: 'pending', problem: null, attempts: 0 });
    const second = await day.start(endless);
    await vi.waitFor(() => expect(begun).toHaveLength(2), WAIT);
    expect(await changeScheduledTo(lab, id)).toBe('conflict');
    await actOnScheduled(lab.db, 'cancel', { id, who: 'grace', now: day.now });
    await vi.waitFor(() => expect(begun[1]?.aborted).toBe(true), WAIT);
    await second.close();
    expect(await day.entry(id)).toMatchObject({ state: 'cancelled' });
    expect(await day.started()).toEqual([]);
  });
});

function changeScheduledTo({ db }: TestOperations, id: string) {
  const plan = readPlan(
    { kind: 'destroy', time: '2027-04-01T08:00', zone: 'UTC' },
    { now: morning, maxVms: 1 },
  );
  if (!plan.ok) throw new Error('the plan is wrong');
  return changeScheduled(db, { id, plan: plan.value, who: 'grace' });
}
