// Turns what a provider reports into rows, progress and output. If a row cannot be written now, the provider goes on, and
// the row is written when the run is reconciled.
import type { Db } from '../db/connect.ts';
import {
  recordProviderId,
  recordProvisioning,
  recordSshAddress,
  removeDestroyed,
  removeNeverCreated,
} from '../db/vm-rows.ts';
import { recordCreated as recordHours } from '../db/vm-hours.ts';
import { recordOperationVms } from '../db/operation-vms.ts';
import type { CreatedVm, Provider, ProvisionEvent, ProvisionReport } from './provider.ts';
import type { Run } from './run.ts';

export type RunReport = {
  readonly report: ProvisionReport;
  /** What was reported, whether or not it could be written. */
  readonly created: ReadonlyMap<string, CreatedVm>;
  readonly failed: ReadonlyMap<string, string>;
  readonly gone: ReadonlySet<string>;
  /** Writes what could not be written at the time of the report; rejects if it still cannot. */
  writeRest(): Promise<void>;
};

/** @param hostnames the VMs of the run; null = all. Reports about other VMs change no row of a launch. */
export function createRunReport(
  run: Run,
  operationId: string,
  hostnames: ReadonlySet<string> | null,
): RunReport {
  const { db, provider, emit, progress, onError } = run;
  const created = new Map<string, CreatedVm>();
  const failed = new Map<string, string>();
  const gone = new Set<string>();
  const { write, writeRest } = createWriter(onError);
  const belongs = (hostname: string): boolean => hostnames === null || hostnames.has(hostname);

  const report: ProvisionReport = {
    event: emit,
    created: async (hostname, vm) => {
      if (!belongs(hostname) || created.has(hostname)) return;
      created.set(hostname, vm);
      progress.add({ done: 1 });
      emit({ level: 'info', hostname, text: `Created in ${vm.provisioningSeconds.toFixed(1)} s.` });
      const row = { hostname, operationId, provider: provider.name };
      await write(() => recordCreated(db, row, vm));
    },
    failed: async (hostname, reason) => {
      if (!belongs(hostname) || failed.has(hostname)) return;
      failed.set(hostname, reason);
      progress.add({ failed: 1 });
      emit({ level: 'error', hostname, text: `Could not be created: ${reason}` });
      await write(async () => {
        await recordOperationVms(db, operationId, [hostname], { state: 'failed', detail: reason });
        await removeNeverCreated(db, [hostname]);
      });
    },
    kept: async (hostname, reason) => {
      if (failed.has(hostname)) return;
      failed.set(hostname, reason);
      progress.add({ failed: 1 });
      await write(() => recordOperationVms(db, operationId, [hostname], { state: 'failed', detail: reason }));
    },
    gone: async (hostname) => {
      if (gone.has(hostname)) return;
      gone.add(hostname);
      if (belongs(hostname)) progress.add({ done: 1 });
      emit({ level: 'info', hostname, text: 'Destroyed.' });
      await write(async () => {
        await removeDestroyed(db, [hostname]);
        await recordOperationVms(db, operationId, [hostname], { state: 'destroyed' });
      });
    },
  };
  return { report, created, failed, gone, writeRest };
}

/** What cannot be written now is written by `writeRest`, which rejects if it still cannot. */
function createWriter(onError: Run['onError']) {
  const unwritten = new Set<() => Promise<void>>();
  return {
    write: (action: () => Promise<void>): Promise<void> =>
      action().catch((error: unknown) => {
        unwritten.add(action);
        onError(error, 'recording what the provider reported');
      }),
    writeRest: async (): Promise<void> => {
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
  return { event: onEvent, created: ignore, failed: ignore, gone: onGone, kept: ignore };
}

async function recordCreated(
  db: Db,
  row: { readonly hostname: string; readonly operationId: string; readonly provider: Provider['name'] },
  vm: CreatedVm,
): Promise<void> {
  const { hostname, operationId } = row;
  const { provisioningSeconds: seconds, instanceType = null } = vm;
  await recordSshAddress(db, hostname, vm);
  await recordProviderId(db, hostname, vm.id);
  await recordHours(db, { ...row, instanceType });
  await recordProvisioning(db, hostname, seconds);
  await recordOperationVms(db, operationId, [hostname], { state: 'created', seconds });
}
