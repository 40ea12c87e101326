// The end of local VMs: their processes, then their folders, a few at a time, so that progress can be told.
import { fail, succeed } from '../../result.ts';
import type { ProvisionReport, ProvisionResult } from '../provider.ts';
import type { Fleet } from './fleet.ts';
import { removeMachineFolder } from './machine-folder.ts';
import { isHostname, type LocalPlaces } from './places.ts';

export type Destruction = {
  readonly places: LocalPlaces;
  readonly fleet: Fleet;
  readonly report: ProvisionReport;
  readonly signal: AbortSignal;
  readonly force: AbortSignal;
};

/** Ended side by side: they have a grace, and its end is waited for together. */
const BATCH_MACHINES = 20;

/** Ends these machines and removes their folders. One that is not there is gone. */
export async function destroyMachines(
  { places, fleet, report, signal, force }: Destruction,
  hostnames: readonly string[],
): Promise<ProvisionResult> {
  const left = new Set(hostnames);
  const stuck: string[] = [];
  while (left.size > 0) {
    if (signal.aborted) return cancelled(left.size);
    const batch = [...left].slice(0, BATCH_MACHINES);
    for (const hostname of batch) left.delete(hostname);
    const { survivors } = await fleet.end(batch.filter(isHostname), force);
    stuck.push(...survivors.map(({ pid, folder }) => `process ${pid} (${folder})`));
    const held = new Set(survivors.map(({ folder }) => folder));
    await Promise.all(
      batch.map(async (hostname) => {
        if (held.has(fleet.folderOf(hostname))) return;
        await removeMachineFolder(places, hostname);
        await report.gone(hostname);
      }),
    );
  }
  return stuck.length === 0 ? succeed() : cannotEnd(stuck);
}

function cancelled(left: number): ProvisionResult {
  return fail({
    code: 'cancelled',
    message: `It was cancelled with ${left === 1 ? '1 machine' : `${left} machines`} still there.`,
    remedy: 'Destroy again to end the rest.',
  });
}

function cannotEnd(stuck: readonly string[]): ProvisionResult {
  return fail({
    code: 'engine',
    message: `The system could not end ${stuck.join(', ')}.`,
    remedy: 'Look at what holds them (ps -o pid,stat,wchan,args), then destroy again.',
  });
}
