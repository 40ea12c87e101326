// The local provider: VMs run in one process of this computer, each with its own folder, SSH server and real agent. They stop and
// start with the server; after a kill -9, the next start kills what is left and starts them again from their folders.
import { totalmem, userInfo } from 'node:os';
import pTimeout from 'p-timeout';
import type { Log } from '../../log.ts';
import { describeFailure, fail, succeed, type Result } from '../../result.ts';
import type { OpenProvider, ProvisionFailure, ProvisionResult, SshAccess } from '../provider.ts';
import { destroyVms, restartVm } from './destroy.ts';
import type { HostTimeouts } from './host-process.ts';
import { launchVms } from './launch.ts';
import { listLocalVms, openLocalContext, type LocalContext } from './local-context.ts';
import { defaultTimeouts, type SupervisorTimeouts } from './supervisor.ts';
import { listVmFolders } from './vm-folder.ts';

export type LocalProviderOptions = {
  /** Absolute. */
  readonly dataDir: string;
  /** The address of this server on this computer; called at each start of a VM. */
  readonly allocatorUrl: () => string;
  /** The public SSH key of the allocator: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** A VM is in use while one of its processes has this in its command line. */
  readonly software: string | null;
  readonly log: Log;
  /** A VM died repeatedly and is given up until the next start. `reason` is a sentence. */
  readonly onLost: (hostname: string, reason: string) => Promise<void>;
  /** A VM came back with another port. */
  readonly onMoved: (hostname: string, ssh: SshAccess) => Promise<void>;
  readonly limits?: Partial<LocalLimits>;
  readonly timeouts?: Partial<LocalTimeouts>;
  /** Runs the VMs in the place of host-main.ts, for tests. */
  readonly hostProgram?: string;
};

type LocalTimeouts = SupervisorTimeouts & HostTimeouts;

type LocalLimits = {
  readonly startsAtOnce: number;
  readonly readyTimeoutMs: number;
  /** Free memory per VM; a launch that needs more is refused. */
  readonly vmMemoryBytes: number;
};

/** Measured: a hundred VMs take up to 200 MB together; twice that, for what runs on them. */
const VM_MEMORY_BYTES = 4 * 1024 * 1024;
/** Each waits for its row to be written. */
const STARTS_AT_ONCE = 20;
/** The process of the VMs may still be loading its program on a busy computer. */
const UNRESPONSIVE_MS = 15_000;
const READY_TIMEOUT_MS = 60_000;
/** The start of the server waits this long for its VMs; the others start in the background. */
const START_WAIT_MS = 10_000;
/** As the contract accepts it. */
const SSH_USER = /^[a-z_][a-z0-9_-]{0,31}$/;
const FALLBACK_USER = 'lablink';

const NOT_STARTED = fail({
  code: 'program',
  message: 'The local provider is not started.',
  remedy: 'Wait until the server is up.',
} as const);

export function createLocalProvider(options: LocalProviderOptions): OpenProvider {
  const { dataDir, log, onLost, onMoved } = options;
  const limits = {
    startsAtOnce: STARTS_AT_ONCE,
    readyTimeoutMs: READY_TIMEOUT_MS,
    vmMemoryBytes: VM_MEMORY_BYTES,
    ...options.limits,
  };
  const sshUser = currentUser();
  const settings = () => ({
    allocatorUrl: options.allocatorUrl(),
    software: options.software,
    sshUser,
    authorizedKey: options.authorizedKey,
  });
  let context: Result<LocalContext, ProvisionFailure> = NOT_STARTED;

  return {
    readiness: () => Promise.resolve(context.ok ? succeed() : context),
    launch: async (spec, report, signal, force) => {
      if (!context.ok) return context;
      const memory = checkMemory(spec.vms.length, limits.vmMemoryBytes);
      if (!memory.ok) return memory;
      const { startsAtOnce: atOnce } = limits;
      return launchVms({ ...context.value, settings, atOnce, report, signal, force }, spec);
    },
    destroy: async (hostnames, report, signal, force) => {
      if (!context.ok) return context;
      const named =
        hostnames === 'all' ? (await listLocalVms(dataDir)).map(({ hostname }) => hostname) : hostnames;
      return destroyVms({ ...context.value, report, signal, force }, named);
    },
    restart: async (hostname, signal) => (context.ok ? restartVm(context.value, hostname, signal) : context),
    list: () => listLocalVms(dataDir),
    start: async () => {
      if (context.ok) throw new Error('The local provider is started already.');
      const timeouts = { ...defaultTimeouts, unresponsiveMs: UNRESPONSIVE_MS, ...options.timeouts };
      const { hostProgram } = options;
      context = await openLocalContext(dataDir, {
        ...{ settings, log, onLost, onMoved, timeouts, hostProgram },
        ...limits,
      });
      if (context.ok) await startAll(context.value, log);
      else log.error({}, `Local VMs cannot run. ${describeFailure(context.failure)}`);
    },
    stop: async () => {
      if (!context.ok) return;
      const { fleet, lock } = context.value;
      context = NOT_STARTED;
      await fleet.stopAll();
      lock.release();
    },
  };
}

/** Starts every VM that has a folder. One that does not start is tried again, and reported when it is lost. */
async function startAll({ paths, fleet }: LocalContext, log: Log): Promise<void> {
  const hostnames = await listVmFolders(paths);
  if (hostnames.length === 0) return;
  const begunAt = performance.now();
  const all = Promise.all(hostnames.map((hostname) => fleet.start(hostname))).then((starts) => {
    const up = starts.filter(({ ok }) => ok).length;
    const seconds = ((performance.now() - begunAt) / 1000).toFixed(1);
    log.info(
      { machines: hostnames.length, up },
      `${up} of ${hostnames.length} local VMs were started again in ${seconds} s.`,
    );
  });
  await pTimeout(all, { milliseconds: START_WAIT_MS, fallback: () => undefined });
}

function checkMemory(vms: number, vmBytes: number): ProvisionResult {
  // Only on Linux does available memory include what caches would give back.
  const availableBytes = process.platform === 'linux' ? process.availableMemory() : totalmem();
  const fitting = Math.floor(availableBytes / vmBytes);
  if (vms <= fitting) return succeed();
  const megabytes = Math.floor(availableBytes / (1024 * 1024));
  return fail({
    code: 'capacity',
    message: `The free memory of this computer (${megabytes} MB) is enough for ${fitting} more machines, not for ${vms}.`,
    remedy: 'Launch fewer machines, or close other programs.',
  });
}

/** In a container, the user of this process may have no name. */
function currentUser(): string {
  try {
    const { username } = userInfo();
    return SSH_USER.test(username) ? username : FALLBACK_USER;
  } catch {
    return FALLBACK_USER;
  }
}
