// The restart of a local VM: its processes end, its folder stays, and it is started from it again.
import { fail, succeed } from '../../result.ts';
import type { ProvisionResult } from '../provider.ts';
import { listMachineFolders } from './machine-folder.ts';
import type { Site } from './site.ts';

type Place = Pick<Site, 'places' | 'fleet'>;

export async function restartMachine(
  { places, fleet }: Place,
  hostname: string,
  signal: AbortSignal,
): Promise<ProvisionResult> {
  if (!(await hasFolder({ places, fleet }, hostname)))
    return failed('It has no folder on this computer.', GONE);
  const { survivors } = await fleet.end([hostname], signal);
  if (survivors.length > 0) {
    const stuck = survivors.map(({ pid }) => pid).join(', ');
    return failed(
      `The system could not end its processes (${stuck}).`,
      'Look at what holds them, and try again.',
    );
  }
  if (signal.aborted) return failed('The server is stopping.', 'It is started with the server again.');
  // Destroyed meanwhile: it must not come back.
  if (!(await hasFolder({ places, fleet }, hostname)))
    return failed('It has no folder on this computer.', GONE);
  const up = await fleet.bringUp(hostname);
  return up.ok ? succeed() : failed(up.reason, 'It is tried again by itself; look at its log.');
}

const GONE = 'Destroy it, and launch another one.';

async function hasFolder({ places }: Place, hostname: string): Promise<boolean> {
  return (await listMachineFolders(places)).includes(hostname);
}

function failed(problem: string, remedy: string): ProvisionResult {
  return fail({ code: 'engine', message: problem, remedy });
}
