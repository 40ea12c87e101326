// What a planned destroy downloads before: what is kept, how often it is tried, and what ends it.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { actOnScheduled, changeScheduled } from '../../src/db/schedule.ts';
import type { Collected } from '../../src/schedule/collect-work.ts';
import type { ScheduleOptions } from '../../src/schedule/runner.ts';
import { readPlan } from '../../src/vms/schedule.ts';
import { startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { after, dayOf, HOUR_MS, MINUTE_MS, morning, NOTHING } from '../support/schedule-day.ts';

let lab: TestOperations;
beforeAll(async () => {
  lab = await startTestOperations({ alone: false });
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await dayOf(lab).idle();
  lab.provider.machines.clear();
  await sql`truncate schedule, operations, vms, audit_events, deployment_identity cascade`.execute(lab.db);
});

describe('a download before a destroy', () => {
  test('that is not complete keeps the machines that it missed, and is tried again', async () => {
    const day = dayOf(lab);
    await lab.ended((await lab.launch(3)).id);
    const [first = '', ...others] = [...lab.provider.machines.keys()].sort();
    const id = await day.plan({ kind: 'destroy', download: true });
    const answers: Collected[] = [
      { archive: '/backups/one.zip', kept: [first], problem: `${first}: no connection.` },
      { archive: '/backups/two.zip', kept: [], problem: null },
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
      archive: '/backups/one.zip',
    });
    expect((await day.entry(id))?.problem).toContain('no connection');
    day.now = after(9 * MINUTE_MS);
    await runner.look();
    expect(answers).toHaveLength(1);
    day.now = after(10 * MINUTE_MS);
    await runner.look();
    await day.idle();
    expect(lab.provider.machines.size).toBe(0);
    expect(await day.entry(id)).toMatchObject({ state: 'done', kept: [], archive: '/backups/two.zip' });
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
    const id = await day.plan({ kind: 'destroy', download: true });
    const runner = await day.start({
      collectWork: () => Promise.resolve({ archive: null, kept: names, problem: 'The bucket is gone.' }),
    });
    for (let tries = 0; tries < 40; tries += 1) {
      day.now = after(tries * 10 * MINUTE_MS);
      await runner.look();
    }
    expect(await day.entry(id)).toMatchObject({ state: 'missed', attempts: 36, kept: names });
    expect(lab.provider.machines.size).toBe(1);
    await actOnScheduled(lab.db, 'run-without-download', { id, who: 'grace', now: day.now });
    await runner.look();
    await day.idle();
    expect(lab.provider.machines.size).toBe(0);
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
