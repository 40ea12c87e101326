// One process that plays one machine: started, listened to, signalled. Knows nothing of rows, restarts or others.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signalGroup, signalProcess } from '../../process/signal.ts';
import { LOCAL_VM_MARK, machineEnvironment } from './machine-environment.ts';
import { readMachineMessage } from './machine-messages.ts';
import type { MachinePlaces } from './places.ts';

export type MachineProcess = {
  /** Whether it came up; a machine that ends before it says so has not. */
  readonly up: Promise<CameUp>;
  /** How it ended, as `exit code 1` or `signal SIGKILL`. */
  readonly ended: Promise<string>;
  /** Asks it to end. */
  readonly terminate: () => void;
  /** Ends it and its group. */
  readonly kill: () => void;
};

export type CameUp =
  | { readonly ok: true; readonly sshPort: number }
  /** A sentence. */
  | { readonly ok: false; readonly reason: string };

export type ProcessSetting = {
  readonly places: MachinePlaces;
  readonly compileCache: string;
  /** A machine that has not said by then that it is up is killed. */
  readonly upMs: number;
};

const MAIN = fileURLToPath(new URL('./machine-main.ts', import.meta.url));
/**
 * A machine is a hundredth of what a laptop carries: a small heap and one helper thread. The heap is many times what
 * it needs; `bench` measures the whole.
 */
const NODE_OPTIONS = ['--max-old-space-size=96', '--max-semi-space-size=1', '--v8-pool-size=1'];
/** An older log is put aside before a start. */
const LOG_LIMIT_BYTES = 4 * 1024 * 1024;

/** Starts it, in a session of its own: a Ctrl-C in our terminal is ours to pass on. */
export async function startMachineProcess(setting: ProcessSetting): Promise<MachineProcess> {
  const { folder, log } = setting.places;
  await using output = await openLog(log);
  const child = spawn(process.execPath, [...NODE_OPTIONS, MAIN, `${LOCAL_VM_MARK.argument}${folder}`], {
    cwd: folder,
    env: machineEnvironment(folder, setting.compileCache),
    detached: true,
    // The channel is also how it notices that we have died.
    stdio: ['ignore', output.fd, output.fd, 'ipc'],
  });
  return watch(child, setting.upMs);
}

function watch(child: ChildProcess, upMs: number): MachineProcess {
  const up = Promise.withResolvers<CameUp>();
  const ended = Promise.withResolvers<string>();
  const kill = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const limit = setTimeout(() => {
    up.resolve({ ok: false, reason: `It was not up after ${upMs / 1000} s.` });
    kill();
  }, upMs);
  const end = (how: string): void => {
    clearTimeout(limit);
    up.resolve({ ok: false, reason: `Its process ended (${how}) before it was up.` });
    // What it started may be left in its group.
    kill();
    ended.resolve(how);
  };
  child.on('message', (received) => {
    const message = readMachineMessage(received);
    if (message === undefined) return;
    clearTimeout(limit);
    up.resolve(
      message.kind === 'ready'
        ? { ok: true, sshPort: message.sshPort }
        : { ok: false, reason: message.reason },
    );
  });
  child.once('error', (error) => end(error.message));
  child.once('exit', (code, signal) => end(code === null ? `signal ${signal ?? ''}` : `exit code ${code}`));
  return {
    up: up.promise,
    ended: ended.promise,
    kill,
    terminate: () => {
      if (child.pid !== undefined) signalProcess(child.pid, 'SIGTERM');
    },
  };
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
