// Destroying and restarting local VMs: their processes are stopped; a destroy also removes their folders.
import { fail, succeed } from '../../result.ts';
import type { ProvisionReport, ProvisionResult } from '../provider.ts';
import type { Fleet } from './fleet.ts';
import { isHostname, listVmFolders, removeVmFolder, type LocalPaths } from './vm-folder.ts';

export type Destroy = {
  readonly paths: LocalPaths;
  readonly fleet: Fleet;
  readonly report: ProvisionReport;
  readonly signal: AbortSignal;
  readonly force: AbortSignal;
};

/** Stopped in parallel, so that their grace periods overlap; the next batch follows so that progress is reported. */
const BATCH_SIZE = 20;

/** A VM that does not exist is reported as gone. */
export async function destroyVms(
  { paths, fleet, report, signal, force }: Destroy,
  hostnames: readonly string[],
): Promise<ProvisionResult> {
  const left = new Set(hostnames);
  const stuck: string[] = [];
  while (left.size > 0) {
    if (signal.aborted) return cancelled(left.size);
    const batch = [...left].slice(0, BATCH_SIZE);
    for (const hostname of batch) left.delete(hostname);
    const { survivors } = await fleet.stop(batch.filter(isHostname), force);
    stuck.push(...survivors.map(({ pid, folder }) => `process ${pid} (${folder})`));
    const inUse = new Set(survivors.map(({ folder }) => folder));
    await Promise.all(
      batch.map(async (hostname) => {
        if (inUse.has(fleet.folderOf(hostname))) return;
        await removeVmFolder(paths, hostname);
        await report.gone(hostname);
      }),
    );
  }
  return stuck.length === 0 ? succeed() : failed(`The system could not end ${stuck.join(', ')}.`, STUCK);
}

/** Keeps the folder. */
export async function restartVm(
  { paths, fleet }: Pick<Destroy, 'paths' | 'fleet'>,
  hostname: string,
  signal: AbortSignal,
): Promise<ProvisionResult> {
  const hasFolder = async (): Promise<boolean> => (await listVmFolders(paths)).includes(hostname);
  if (!(await hasFolder())) return MISSING;
  const { survivors } = await fleet.stop([hostname], signal);
  if (survivors.length > 0) {
    const pids = survivors.map(({ pid }) => pid).join(', ');
    return failed(`The system could not end its processes (${pids}).`, STUCK);
  }
  if (signal.aborted) return failed('The server is stopping.', 'The machine starts again with the server.');
  // It may have been destroyed in the meantime.
  if (!(await hasFolder())) return MISSING;
  const started = await fleet.start(hostname);
  return started.ok
    ? succeed()
    : failed(started.failure.message, 'The server tries again by itself; read the log of the machine.');
}

const STUCK = 'Find out what blocks them (ps -o pid,stat,wchan,args), then try again.';
const MISSING = failed('It has no folder on this computer.', 'Destroy it, and launch another one.');

function failed(message: string, remedy: string): ProvisionResult {
  return fail({ code: 'engine', message, remedy });
}

function cancelled(left: number): ProvisionResult {
  const rest = left === 1 ? '1 machine still exists' : `${left} machines still exist`;
  return fail({
    code: 'cancelled',
    message: `The destroy was cancelled; ${rest}.`,
    remedy: 'Destroy again to end the rest.',
  });
}
