// Turns what a provider reports into rows, progress and output. If a row cannot be written now, the provider goes on, and
// the row is written when the run is reconciled.
import {
  recordProviderId,
  recordProvisioning,
  recordSshAddress,
  removeDestroyed,
  removeNeverCreated,
} from '../db/vm-rows.ts';
import { recordCreated as recordHours } from '../db/vm-hours.ts';
import { recordOperationVms } from '../db/operation-vms.ts';
import type { CreatedVm, ProvisionEvent, ProvisionReport } from './provider.ts';
import type { Run } from './run.ts';

export type RunReport = {
  readonly report: ProvisionReport;
  /** What was reported, whether or not it could be written. */
  readonly created: ReadonlyMap<string, CreatedVm>;
  readonly failed: ReadonlyMap<string, string>;
  /** Writes what could not be written at the time of the report; rejects if it still cannot. */
  writeRest(): Promise<void>;
};

/** @param hostnames the VMs of the run; null = all. Reports about other VMs change no row of a launch. */
export function createRunReport(run: Run, hostnames: ReadonlySet<string> | null): RunReport {
  const { db, operation, emit, progress, onError } = run;
  const created = new Map<string, CreatedVm>();
  const failed = new Map<string, string>();
  const gone = new Set<string>();
  const unwritten = new Set<() => Promise<void>>();
  const belongs = (hostname: string): boolean => hostnames === null || hostnames.has(hostname);

  async function write(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      unwritten.add(action);
      onError(error, 'recording what the provider reported');
    }
  }

  const report: ProvisionReport = {
    event: emit,
    created: async (hostname, vm) => {
      if (!belongs(hostname) || created.has(hostname)) return;
      created.set(hostname, vm);
      progress.add({ done: 1 });
      emit({ level: 'info', hostname, text: `Created in ${vm.provisioningSeconds.toFixed(1)} s.` });
      await write(() => recordCreated(run, hostname, vm));
    },
    failed: async (hostname, reason) => {
      if (!belongs(hostname) || failed.has(hostname)) return;
      failed.set(hostname, reason);
      progress.add({ failed: 1 });
      emit({ level: 'error', hostname, text: `Could not be created: ${reason}` });
      await write(async () => {
        await recordOperationVms(db, operation.id, [hostname], { state: 'failed', detail: reason });
        await removeNeverCreated(db, [hostname]);
      });
    },
    gone: async (hostname) => {
      if (gone.has(hostname)) return;
      gone.add(hostname);
      if (belongs(hostname)) progress.add({ done: 1 });
      emit({ level: 'info', hostname, text: 'Destroyed.' });
      await write(async () => {
        await removeDestroyed(db, [hostname]);
        await recordOperationVms(db, operation.id, [hostname], { state: 'destroyed' });
      });
    },
  };
  return {
    report,
    created,
    failed,
    writeRest: async () => {
      for (const action of unwritten) {
        await action();
        unwritten.delete(action);
      }
    },
  };
}

/** For calls that create nothing. */
export function createGoneReport(
  onGone: (hostname: string) => Promise<void>,
  onEvent: (event: ProvisionEvent) => void = () => undefined,
): ProvisionReport {
  const ignore = (): Promise<void> => Promise.resolve();
  return { event: onEvent, created: ignore, failed: ignore, gone: onGone };
}

async function recordCreated(
  { db, operation, provider }: Run,
  hostname: string,
  vm: CreatedVm,
): Promise<void> {
  const { provisioningSeconds: seconds, instanceType = null } = vm;
  await recordSshAddress(db, hostname, vm);
  await recordProviderId(db, hostname, vm.id);
  await recordHours(db, { hostname, operationId: operation.id, provider: provider.name, instanceType });
  await recordProvisioning(db, hostname, seconds);
  await recordOperationVms(db, operation.id, [hostname], { state: 'created', seconds });
}
