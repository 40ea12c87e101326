// A day of the schedule: entries, a runner that looks when it is asked to, and the time.
import { randomUUID } from 'node:crypto';
import { expect, onTestFinished, vi } from 'vitest';
import { listOperations } from '../../src/db/operations.ts';
import { addScheduled, findScheduled } from '../../src/db/schedule.ts';
import type { Collected } from '../../src/schedule/collect-work.ts';
import { listPlannedMachines } from '../../src/schedule/machines.ts';
import { startSchedule, type Schedule, type ScheduleOptions } from '../../src/schedule/runner.ts';
import { isActive } from '../../src/vms/operation.ts';
import { readPlan } from '../../src/vms/schedule.ts';
import { WAIT, type TestOperations } from './operations.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
/** 8:00 in Berlin, two days before clocks are moved forward. */
const MORNING = '2027-03-26T08:00';
export const morning = new Date('2027-03-26T07:00:00Z');
export const NOTHING: Collected = { archive: null, whole: [], problem: '' };

export type Day = {
  now: Date;
  readonly plan: (request: Readonly<Record<string, unknown>>) => Promise<string>;
  /** Starts a runner that looks when it is asked to. */
  readonly start: (parts?: Partial<ScheduleOptions>) => Promise<Schedule>;
  readonly entry: (id: string) => ReturnType<typeof findScheduled>;
  /** Of all operations that the schedule has started: what, by whom, and which machines. */
  readonly started: () => Promise<string[]>;
  readonly idle: () => Promise<void>;
};

export function dayOf({ db, operations, provider }: TestOperations): Day {
  const started = async () =>
    (await listOperations(db, { limit: 100 })).operations.filter(({ scheduleId }) => scheduleId);
  const day: Day = {
    now: new Date(morning.getTime() - HOUR_MS),
    plan: async (request) => {
      const plan = readPlan(
        { time: MORNING, zone: 'Europe/Berlin', ...request },
        { now: day.now, maxVms: 10 },
      );
      if (!plan.ok) throw new Error(JSON.stringify(plan.failure));
      const id = randomUUID();
      await db
        .transaction()
        .execute((trx) => addScheduled(trx, { id, plan: plan.value, who: 'ada', max: 100 }));
      return id;
    },
    start: async (parts = {}) => {
      const schedule = await startSchedule({
        ...{ db, operations, randomUuid: () => randomUUID() },
        now: () => Promise.resolve(day.now),
        collectWork: () => Promise.resolve(NOTHING),
        listMachines: () => listPlannedMachines(db, provider.name),
        log: { info: () => undefined, warn: () => undefined },
        intervals: { lookMs: HOUR_MS, busyMs: 1_000 },
        ...parts,
      });
      onTestFinished(() => schedule.close());
      return schedule;
    },
    entry: (id) => findScheduled(db, id),
    started: async () =>
      (await started()).map(({ kind, numVms, hostnames, requestedBy }) =>
        [kind, numVms ?? hostnames?.join('+') ?? 'all', requestedBy].join(' '),
      ),
    idle: () =>
      vi.waitFor(
        async () => expect((await started()).filter(({ status }) => isActive(status))).toEqual([]),
        WAIT,
      ),
  };
  return day;
}

/** Gives a machine to somebody; whoever had it has released it. Returns the id of the assignment. */
export async function give({ db }: TestOperations, hostname: string, email: string): Promise<string> {
  const id = randomUUID();
  await db
    .updateTable('assignments')
    .set({ released_at: new Date() })
    .where('hostname', '=', hostname)
    .execute();
  await db
    .insertInto('assignments')
    .values({ id, hostname, email, crd_command: 'c', pin: '123456' })
    .execute();
  await db
    .updateTable('vms')
    .set({ assignment_id: id, status: 'running' })
    .where('hostname', '=', hostname)
    .execute();
  return id;
}

export const after = (ms: number): Date => new Date(morning.getTime() + ms);
