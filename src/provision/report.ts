// What a provider tells, on its way to the rows: machines that are made, could not be, or are gone. A row that cannot
// be written now is no fault of the provider: it goes on, and what is missing is written when the run is settled.
import { recordProviderId, recordProvisioning, recordReach, removeGone, removeUnmade } from '../db/fleet.ts';
import { recordCreated as recordHours } from '../db/vm-hours.ts';
import { recordOperationVms } from '../db/operation-vms.ts';
import type { CreatedVm, ProvisionReport } from './provider.ts';
import type { Run } from './run.ts';

export type RunReport = {
  readonly report: ProvisionReport;
  /** What was told, whether it was written or not. */
  readonly made: ReadonlyMap<string, CreatedVm>;
  readonly failed: ReadonlyMap<string, string>;
  readonly gone: ReadonlySet<string>;
  /** Writes what could not be written when it was told; throws where it still cannot. */
  writeRest(): Promise<void>;
};

/** @param ours the machines that the run is about; null = all. What is told of others changes no row of a launch. */
export function createReport(run: Run, ours: ReadonlySet<string> | null): RunReport {
  const { db, operation, tell, progress, onError } = run;
  const made = new Map<string, CreatedVm>();
  const failed = new Map<string, string>();
  const gone = new Set<string>();
  const unwritten = new Set<() => Promise<void>>();
  const isOurs = (hostname: string): boolean => ours === null || ours.has(hostname);

  async function write(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      unwritten.add(action);
      onError(error, 'recording what the provider told');
    }
  }

  const report: ProvisionReport = {
    event: tell,
    created: async (hostname, facts) => {
      if (!isOurs(hostname) || made.has(hostname)) return;
      made.set(hostname, facts);
      progress.add({ done: 1 });
      tell({ level: 'info', hostname, text: `Made in ${facts.provisioningSeconds.toFixed(1)} s.` });
      await write(() => recordMade(run, hostname, facts));
    },
    failed: async (hostname, reason) => {
      if (!isOurs(hostname) || failed.has(hostname)) return;
      failed.set(hostname, reason);
      progress.add({ failed: 1 });
      tell({ level: 'error', hostname, text: `Could not be made: ${reason}` });
      await write(async () => {
        await recordOperationVms(db, operation.id, [hostname], { state: 'failed', detail: reason });
        await removeUnmade(db, [hostname]);
      });
    },
    gone: async (hostname) => {
      if (gone.has(hostname)) return;
      gone.add(hostname);
      if (isOurs(hostname)) progress.add({ done: 1 });
      tell({ level: 'info', hostname, text: 'Ended.' });
      await write(async () => {
        await removeGone(db, [hostname]);
        await recordOperationVms(db, operation.id, [hostname], { state: 'destroyed' });
      });
    },
  };
  return {
    report,
    made,
    failed,
    gone,
    writeRest: async () => {
      for (const action of unwritten) {
        await action();
        unwritten.delete(action);
      }
    },
  };
}

async function recordMade(
  { db, operation, provider }: Run,
  hostname: string,
  facts: CreatedVm,
): Promise<void> {
  const { provisioningSeconds: seconds, instanceType = null } = facts;
  await recordReach(db, hostname, facts);
  await recordProviderId(db, hostname, facts.id);
  await recordHours(db, { hostname, operationId: operation.id, provider: provider.name, instanceType });
  await recordProvisioning(db, hostname, seconds);
  await recordOperationVms(db, operation.id, [hostname], { state: 'created', seconds });
}
