// The local provider: machines are processes of this computer, each with its own folder, SSH server and real agent.
// They stop with the server and come back with it; after a kill -9 the next start ends what is left and brings them
// back from their folders. Knows nothing of rows and pages.
import { availableParallelism, totalmem, userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import { fail, succeed, type Result } from '../../result.ts';
import type { Provider, ProvisionFailure, ProvisionResult, SshAccess } from '../provider.ts';
import { destroyMachines } from './destroy.ts';
import { restartMachine } from './restart.ts';
import { defaultPatience, type Patience } from './keeper.ts';
import { launchMachines } from './launch.ts';
import { listMachineFolders } from './machine-folder.ts';
import { listMachines, openSite, type Site } from './site.ts';

export type LocalProviderOptions = {
  /** Absolute. */
  readonly dataDir: string;
  /** Where machines reach this server, on this computer; asked whenever one starts. */
  readonly allocatorUrl: () => string;
  /** The public half of the allocator's SSH key: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** What people run on a machine: it is in use while one of its processes has this in its command line. */
  readonly software: string | null;
  readonly log: Log;
  /** A machine died again and again and is given up until the next start. `reason` is a sentence. */
  readonly onLost: (hostname: string, reason: string) => Promise<void>;
  /** A machine that came back could not have its old port. */
  readonly onMoved: (hostname: string, reach: SshAccess) => Promise<void>;
  readonly limits?: Partial<LocalLimits>;
  readonly patience?: Partial<Patience>;
};

export type LocalLimits = {
  readonly startsAtOnce: number;
  /** A machine that is not up by then is not coming. */
  readonly upMs: number;
  /** What a machine needs of the memory that is free; a launch that does not fit is refused. */
  readonly machineMemoryBytes: number;
};

/** Measured: private memory of one machine with its agent waiting, rounded up. */
const MACHINE_MEMORY_BYTES = 40 * 1024 * 1024;
const UP_MS = 60_000;
/** The server's start waits so long for machines that come back; the rest come back behind it. */
const BRING_BACK_MS = 10_000;
/** As the contract has it; a user of another name is called so at our own servers' doors. */
const SSH_USER = /^[a-z_][a-z0-9_-]{0,31}$/;
const FALLBACK_USER = 'lablink';

const NOT_STARTED = fail({
  code: 'program',
  message: 'The local provider is not started.',
  remedy: 'Wait until the server is up.',
} as const);

export function createLocalProvider(options: LocalProviderOptions): Provider {
  const { dataDir, log } = options;
  const limits = {
    startsAtOnce: availableParallelism() * 2,
    upMs: UP_MS,
    machineMemoryBytes: MACHINE_MEMORY_BYTES,
    ...options.limits,
  };
  const sshUser = currentUser();
  const settings = () => ({
    allocatorUrl: options.allocatorUrl(),
    software: options.software,
    sshUser,
    authorizedKey: options.authorizedKey,
  });
  let site: Result<Site, ProvisionFailure> = NOT_STARTED;

  return {
    name: 'local',
    readiness: () => Promise.resolve(site.ok ? succeed() : site),
    launch: async (spec, report, signal, force) => {
      if (!site.ok) return site;
      const { places, fleet } = site.value;
      const tooMany = refuseBeyondMemory(spec.vms.length, limits.machineMemoryBytes);
      if (tooMany) return tooMany;
      const atOnce = limits.startsAtOnce;
      return launchMachines({ places, fleet, settings, atOnce, report, signal, force }, spec);
    },
    destroy: async (hostnames, report, signal, force) => {
      if (!site.ok) return site;
      const { places, fleet } = site.value;
      const named =
        hostnames === 'all' ? (await listMachines(dataDir)).map(({ hostname }) => hostname) : hostnames;
      return destroyMachines({ places, fleet, report, signal, force }, named);
    },
    restart: async (hostname, signal) => (site.ok ? restartMachine(site.value, hostname, signal) : site),
    list: () => listMachines(dataDir),
    start: async () => {
      if (site.ok) throw new Error('The local provider is started already.');
      const { onLost, onMoved } = options;
      const patience = { ...defaultPatience, ...options.patience };
      site = await openSite(dataDir, { settings, log, onLost, onMoved, patience, ...limits });
      if (site.ok) await bringBack(site.value, log);
      else log.error({}, `Local VMs cannot be kept. ${site.failure.message} ${site.failure.remedy}`);
    },
    stop: async () => {
      if (!site.ok) return;
      const { fleet, lock } = site.value;
      site = NOT_STARTED;
      await fleet.endAll();
      lock.release();
    },
  };
}

/** Starts every machine that has a folder. One that does not come up is tried again, and told of when it is lost. */
async function bringBack({ places, fleet }: Site, log: Log): Promise<void> {
  const hostnames = await listMachineFolders(places);
  if (hostnames.length === 0) return;
  const begunAt = performance.now();
  const all = Promise.all(hostnames.map((hostname) => fleet.bringUp(hostname))).then((starts) => {
    const up = starts.filter(({ ok }) => ok).length;
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(1);
    log.info(
      { machines: hostnames.length, up },
      `${up} of ${hostnames.length} local VMs came back in ${seconds} s.`,
    );
  });
  const late = new AbortController();
  await Promise.race([all, delay(BRING_BACK_MS, undefined, { signal: late.signal }).catch(() => undefined)]);
  late.abort();
}

function refuseBeyondMemory(machines: number, machineBytes: number): ProvisionResult | undefined {
  // Elsewhere than on Linux, memory that caches would give back does not count as available.
  const availableBytes = process.platform === 'linux' ? process.availableMemory() : totalmem();
  const fitting = Math.floor(availableBytes / machineBytes);
  if (machines <= fitting) return undefined;
  return fail({
    code: 'capacity',
    message: `The free memory of this computer (${megabytes(availableBytes)} MB) is enough for ${fitting} more machines, not for ${machines}.`,
    remedy: 'Launch fewer machines, or end other programs.',
  });
}

function megabytes(bytes: number): number {
  return Math.floor(bytes / (1024 * 1024));
}

/** In a container the user of this process may have no name. */
function currentUser(): string {
  try {
    const { username } = userInfo();
    return SSH_USER.test(username) ? username : FALLBACK_USER;
  } catch {
    return FALLBACK_USER;
  }
}
