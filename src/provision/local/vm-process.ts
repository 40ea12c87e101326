// The process of one local VM: started, watched, signalled. Knows nothing of rows, restarts or other VMs.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProcessMark } from '../../process/process-table.ts';
import { signalGroup, signalProcess } from '../../process/signal.ts';
import { fail, succeed, type Failure, type Result } from '../../result.ts';
import type { VmPaths } from './vm-folder.ts';

/** Carried by the process of a VM and by all its children; its value is the folder of the VM. */
export const LOCAL_VM_MARK: ProcessMark = { variable: 'LABLINK_LOCAL_VM', argument: '--local-vm=' };

/** What the process sends once over IPC; after `failed` it ends. `reason` is a sentence. */
export type VmMessage =
  { readonly kind: 'ready'; readonly sshPort: number } | { readonly kind: 'failed'; readonly reason: string };

/** The result of starting a VM: its SSH port. */
export type StartResult = Result<number, Failure<'not_started'>>;

export type VmProcess = {
  /** Fails if the process ends, or the time-out passes, before it reports that it is ready. */
  readonly ready: Promise<StartResult>;
  /** How it ended, as `exit code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Asks the process to end. */
  readonly terminate: () => void;
  /** Kills the process and its group. */
  readonly kill: () => void;
};

export type VmProcessOptions = {
  readonly paths: VmPaths;
  readonly compileCache: string;
  readonly readyTimeoutMs: number;
};

const MAIN = fileURLToPath(new URL('./vm-main.ts', import.meta.url));
/** Small, so that many VMs fit on a laptop: the heap is several times what a VM needs. `bench` measures the whole. */
const NODE_OPTIONS = ['--max-old-space-size=96', '--max-semi-space-size=1', '--v8-pool-size=1'];
/** A larger log is renamed before a start. */
const LOG_LIMIT_BYTES = 4 * 1024 * 1024;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin';

/** The whole environment of a VM and of its commands: nothing of the allocator's. `folder` must have no links. */
export function vmEnvironment(folder: string, compileCache: string): Record<string, string> {
  return {
    PATH,
    HOME: folder,
    LANG: 'C.UTF-8',
    UV_THREADPOOL_SIZE: '2',
    MALLOC_ARENA_MAX: '1',
    NODE_COMPILE_CACHE: compileCache,
    [LOCAL_VM_MARK.variable]: folder,
  };
}

/** A failure to start, with the reason as a sentence. */
export function notStarted(message: string): StartResult {
  return fail({ code: 'not_started', message, remedy: 'Look at the log of the machine.' });
}

/** Starts the process in a session of its own, so that a Ctrl-C in the terminal reaches only the allocator. */
export async function startVmProcess(options: VmProcessOptions): Promise<VmProcess> {
  const { folder, log } = options.paths;
  await using output = await openLog(log);
  const child = spawn(process.execPath, [...NODE_OPTIONS, MAIN, `${LOCAL_VM_MARK.argument}${folder}`], {
    cwd: folder,
    env: vmEnvironment(folder, options.compileCache),
    detached: true,
    // When the allocator dies, the IPC channel closes, and the process ends itself.
    stdio: ['ignore', output.fd, output.fd, 'ipc'],
  });
  return watch(child, options.readyTimeoutMs);
}

function watch(child: ChildProcess, readyTimeoutMs: number): VmProcess {
  const ready = Promise.withResolvers<StartResult>();
  const ended = Promise.withResolvers<string>();
  const kill = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const timeout = setTimeout(() => {
    ready.resolve(notStarted(`It was not up after ${readyTimeoutMs / 1000} s.`));
    kill();
  }, readyTimeoutMs);
  const end = (how: string): void => {
    clearTimeout(timeout);
    ready.resolve(notStarted(`Its process ended (${how}) before it was up.`));
    // Its group may still contain child processes.
    kill();
    ended.resolve(how);
  };
  child.on('message', (received) => {
    const message = readMessage(received);
    if (message === undefined) return;
    clearTimeout(timeout);
    ready.resolve(message.kind === 'ready' ? succeed(message.sshPort) : notStarted(message.reason));
  });
  child.once('error', (error) => end(error.message));
  child.once('exit', (code, signal) => end(code === null ? `signal ${signal ?? ''}` : `exit code ${code}`));
  return {
    ready: ready.promise,
    ended: ended.promise,
    kill,
    terminate: () => {
      if (child.pid !== undefined) signalProcess(child.pid, 'SIGTERM');
    },
  };
}

function readMessage(received: unknown): VmMessage | undefined {
  if (typeof received !== 'object' || received === null || !('kind' in received)) return undefined;
  if (received.kind === 'ready' && 'sshPort' in received && typeof received.sshPort === 'number')
    return { kind: 'ready', sshPort: received.sshPort };
  if (received.kind === 'failed' && 'reason' in received && typeof received.reason === 'string')
    return { kind: 'failed', reason: received.reason };
  return undefined;
}

async function openLog(path: string) {
  await mkdir(dirname(path), { recursive: true });
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(path, `${path}.1`);
  return open(path, 'a', 0o600);
}
