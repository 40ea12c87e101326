// The process that runs the local VMs: started with the first VM, ended with the last. To the code that starts a VM, it looks as if
// each had a process of its own. Knows nothing of rows and restarts.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileCacheOr } from '../../process/compile-cache.ts';
import { programBeside } from '../../process/program.ts';
import { signalProcess } from '../../process/signal.ts';
import { fail, succeed, type Failure, type Result } from '../../result.ts';
import { LOCAL_VM_MARK, newsSchema, vmEnvironment, type News, type Order } from './host-protocol.ts';
import type { LocalPaths } from './vm-folder.ts';
import { prepareLog } from './vm-log.ts';

/** The result of starting a VM: its SSH port. */
export type StartResult = Result<number, Failure<'not_started'>>;

export type VmProcess = {
  /** Fails if the VM ends, or the time-out passes, before it is ready. */
  readonly ready: Promise<StartResult>;
  /** How it ended, as `exit code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Asks the VM to end. */
  readonly terminate: () => void;
  /** Ends the VM at once; if the process does not do that, with the process. */
  readonly kill: () => void;
};

export type HostOptions = {
  readonly paths: LocalPaths;
  readonly readyTimeoutMs: number;
  readonly timeouts: HostTimeouts;
  /** Another program than that of real VMs, for tests. */
  readonly hostProgram?: string | undefined;
};

export type HostTimeouts = {
  /** A process that does not obey an order to kill a VM, or to end, is killed after this. */
  readonly unresponsiveMs: number;
};

export type VmHost = {
  /** Starts a VM from its folder; it must have ended before it is started again. */
  readonly start: (hostname: string) => VmProcess;
};

const PROGRAM = fileURLToPath(programBeside(import.meta.url, './host-main'));
/** Short pauses for the collection of garbage, of which a hundred agents make little. `bench` measures the whole. */
const NODE_OPTIONS = ['--max-semi-space-size=4'];
/** The agents' small files are written with fsync, each of which holds a thread. */
const THREADS = '16';

/** A failure to start, with the reason as a sentence. */
export function notStarted(message: string): StartResult {
  return fail({ code: 'not_started', message, remedy: 'Look at the log of the machine.' });
}

/** Starts no process yet. */
export function createVmHost(options: HostOptions): VmHost {
  let current: HostProcess | undefined;
  return {
    start: (hostname) => {
      if (current === undefined || !current.accepts()) current = startHostProcess(options);
      return current.start(hostname);
    },
  };
}

type HostProcess = VmHost & {
  /** Whether it can start another VM. */
  readonly accepts: () => boolean;
};

function startHostProcess(options: HostOptions): HostProcess {
  const child = spawnHost(options);
  const vms = new Map<string, HostedVm>();
  const exited = Promise.withResolvers<undefined>();
  let isEnding = false;

  const kill = (): void => {
    if (child.pid !== undefined) signalProcess(child.pid, 'SIGKILL');
  };
  /** The process ends with its last VM, which has ended only then. */
  async function onEnded({ hostname, how }: Extract<News, { kind: 'ended' }>): Promise<void> {
    const vm = vms.get(hostname);
    vms.delete(hostname);
    if (vms.size === 0) {
      isEnding = true;
      if (child.connected) child.disconnect();
      const timeout = setTimeout(kill, options.timeouts.unresponsiveMs);
      await exited.promise;
      clearTimeout(timeout);
    }
    vm?.end(how);
  }
  function onExit(how: string): void {
    isEnding = true;
    exited.resolve(undefined);
    for (const vm of vms.values()) vm.end(how);
    vms.clear();
  }

  child.on('message', (message) => {
    const { data: news } = newsSchema.safeParse(message);
    if (news === undefined) return;
    if (news.kind === 'ended') void onEnded(news);
    else vms.get(news.hostname)?.receive(news);
  });
  child.once('error', (error) => onExit(error.message));
  child.once('exit', (code, signal) =>
    onExit(code === null ? `signal ${signal ?? ''}` : `exit code ${code}`),
  );
  return {
    accepts: () => !isEnding,
    start: (hostname) => {
      // A process that has ended answers by its end.
      const order = (kind: Order['kind']): void => {
        if (child.connected) child.send({ kind, hostname } satisfies Order, () => undefined);
      };
      const vm = hostVm(order, kill, options);
      vms.set(hostname, vm);
      order('start');
      return vm;
    },
  };
}

type HostedVm = VmProcess & {
  readonly receive: (news: Exclude<News, { kind: 'ended' }>) => void;
  readonly end: (how: string) => void;
};

function hostVm(
  order: (kind: Order['kind']) => void,
  killProcess: () => void,
  { readyTimeoutMs, timeouts }: HostOptions,
): HostedVm {
  const ready = Promise.withResolvers<StartResult>();
  const ended = Promise.withResolvers<string>();
  let unresponsive: NodeJS.Timeout | undefined;
  const giveUp = (reason: string): void => {
    ready.resolve(notStarted(reason));
    kill();
  };
  const kill = (): void => {
    order('kill');
    unresponsive ??= setTimeout(killProcess, timeouts.unresponsiveMs);
  };
  const timeout = setTimeout(() => giveUp(`It was not up after ${readyTimeoutMs / 1000} s.`), readyTimeoutMs);
  return {
    ready: ready.promise,
    ended: ended.promise,
    terminate: () => order('stop'),
    kill,
    receive: (news) => {
      clearTimeout(timeout);
      if (news.kind === 'ready') ready.resolve(succeed(news.sshPort));
      else giveUp(news.reason);
    },
    end: (how) => {
      clearTimeout(timeout);
      clearTimeout(unresponsive);
      ready.resolve(notStarted(`Its process ended (${how}) before it was up.`));
      ended.resolve(how);
    },
  };
}

/** In a session of its own, so that a Ctrl-C in the terminal reaches only the allocator. */
function spawnHost({ paths, hostProgram = PROGRAM }: HostOptions): ChildProcess {
  prepareLog(paths.hostLog);
  const output = openSync(paths.hostLog, 'a', 0o600);
  try {
    return spawn(process.execPath, [...NODE_OPTIONS, hostProgram, LOCAL_VM_MARK.argument + paths.host], {
      cwd: paths.root,
      env: {
        ...vmEnvironment(paths.host),
        NODE_COMPILE_CACHE: compileCacheOr(paths.compileCache),
        UV_THREADPOOL_SIZE: THREADS,
      },
      detached: true,
      // When the allocator dies, the IPC channel closes, and the process ends itself.
      stdio: ['ignore', output, output, 'ipc'],
    });
  } finally {
    closeSync(output);
  }
}
