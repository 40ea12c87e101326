// The schedule: its clock, what it downloads before a destroy, and who runs it.
import { randomUUID } from 'node:crypto';
import { uptime } from 'node:os';
import { readDatabaseClock } from '../db/silence.ts';
import { downloadRecords, targetsOf } from '../handlers/downloads.ts';
import { recordDownloads } from '../db/downloads.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { createScheduleClock, type ScheduleClock } from '../schedule/clock.ts';
import { createCollectWork, type CollectWork } from '../schedule/collect-work.ts';
import { listPlannedMachines } from '../schedule/machines.ts';
import { startSchedule } from '../schedule/runner.ts';
import type { PlannedMachine } from '../schedule/work.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import type { AppContext } from './context.ts';
import type { Data } from './data.ts';
import { openCollecting, type Collecting } from './services.ts';

/** What plans need that others use too. */
export type Planning = { readonly collecting: Collecting; readonly scheduleClock: ScheduleClock };

export function openPlanning(context: AppContext, data: Data, sshKey: SshKeyPair): Planning {
  return { collecting: openCollecting(context, data, sshKey), scheduleClock: openClock(context, data) };
}

function openClock({ now }: AppContext, { database }: Data): ScheduleClock {
  return createScheduleClock({
    readDatabase: async () => (now ? now() : new Date(await readDatabaseClock(database.db))),
    // Of the computer, not of this process: it goes on while the process is stopped, or the computer sleeps.
    passedMs: now ? () => now().getTime() : () => uptime() * 1_000,
  });
}

export type ScheduleDependencies = Planning & {
  readonly data: Data;
  readonly operations: OperationService;
};

/** After the operations have started, because they are what it starts. */
export async function openSchedule(
  context: AppContext,
  lifecycle: Lifecycle,
  dependencies: ScheduleDependencies,
): Promise<void> {
  const { data, operations, scheduleClock } = dependencies;
  const { db } = data.database;
  const listMachines = () => listPlannedMachines(db, operations.provider.name);
  await lifecycle.acquire(
    'schedule',
    () =>
      startSchedule({
        ...{ db, operations, listMachines, log: context.log },
        now: scheduleClock.read,
        collectWork: collectWorkOf(context, dependencies, listMachines),
        randomUuid: () => randomUUID(),
        ...(context.scheduleIntervals && { intervals: context.scheduleIntervals }),
      }),
    (schedule) => schedule.close(),
  );
}

function collectWorkOf(
  { config }: AppContext,
  { data, collecting }: ScheduleDependencies,
  listMachines: () => Promise<readonly PlannedMachine[]>,
): CollectWork {
  const { db } = data.database;
  return createCollectWork({
    collector: collecting.collector,
    place: config.backup.place,
    listTargets: async () => {
      const machines = (await listMachines()).filter((machine) => machine.isOwn);
      const own = new Set(machines.map(({ hostname }) => hostname));
      return (await targetsOf({ ...collecting, db }, null)).filter(({ hostname }) => own.has(hostname));
    },
    record: (reports, by, startedAt) => recordDownloads(db, downloadRecords(reports, by, startedAt)),
    nameOf: (startedAt) => archiveName(config.deployment, startedAt),
  });
}

/** `lablink-lab-prod-work-20270328T180000Z.zip`. */
function archiveName({ name, environment }: AppContext['config']['deployment'], at: Date): string {
  return `lablink-${name}-${environment}-work-${at.toISOString().replaceAll(/[-:]|\.\d+/g, '')}.zip`;
}
