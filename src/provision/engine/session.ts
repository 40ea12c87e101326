// One child process that runs Pulumi, as the server sees it: it takes commands and returns facts and results. A command
// always gets a result, whatever happens to the process, and no process is left when the session has ended.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pTimeout from 'p-timeout';
import { endMarkedProcesses } from '../../process/end-marked.ts';
import { openProcessTable, type ProcessMark } from '../../process/process-table.ts';
import { programBeside } from '../../process/program.ts';
import { signalGroup, signalProcess } from '../../process/signal.ts';
import {
  readChildMessage,
  type CommandResult,
  type EngineCommand,
  type EngineFact,
  type ServerMessage,
} from './messages.ts';

export type EngineSession = {
  /** Absolute; belongs to this session, and is removed with it. */
  readonly workDir: string;
  readonly pid: number;
  /** One command at a time. If the child dies meanwhile, the command has failed. */
  readonly execute: (command: EngineCommand, onFact?: (fact: EngineFact) => void) => Promise<CommandResult>;
  /** Resolves when no process of the session is left. */
  readonly end: () => Promise<void>;
};

export type SessionOptions = {
  /** Absolute, without symbolic links: contains the folders of all sessions. */
  readonly runsDir: string;
  /** The environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  /** Cancels the run: Pulumi finishes what it has started. */
  readonly cancelSignal: AbortSignal;
  /** Kills the processes at once. */
  readonly killSignal: AbortSignal;
  readonly timeouts: SessionTimeouts;
};

/** In milliseconds. */
export type SessionTimeouts = {
  /** When the child has died, a Pulumi process that it left is interrupted, and killed after this time. */
  readonly orphanedEngineMs: number;
  /** An idle child that does not exit within this time is killed. */
  readonly childExitMs: number;
};

/** Marks the child and everything that it starts. */
export const ENGINE_MARK: ProcessMark = { variable: 'LABLINK_ENGINE_RUN', argument: '--engine-run=' };

const MAIN = fileURLToPath(programBeside(import.meta.url, './child/child-main'));
const POLL_MS = 50;
const LOG_TAIL = 2_000;

export async function startSession(options: SessionOptions): Promise<EngineSession> {
  const workDir = join(options.runsDir, randomUUID());
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  await using log = await open(join(workDir, 'child.log'), 'a', 0o600);
  const child = spawn(process.execPath, [MAIN, `${ENGINE_MARK.argument}${workDir}`], {
    cwd: workDir,
    env: { ...options.env, [ENGINE_MARK.variable]: workDir },
    // A process group of its own: the server decides what Ctrl-C does, and the whole group can be killed.
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  });
  return watchChild(child, workDir, options);
}

function watchChild(child: ChildProcess, workDir: string, options: SessionOptions): EngineSession {
  const { cancelSignal, killSignal, runsDir, timeouts } = options;
  const exited = Promise.withResolvers<string>();
  child.once('error', (error) => exited.resolve(error.message));
  child.once('exit', (code, signal) => exited.resolve(signal ?? `exit code ${code ?? 0}`));
  const send = (message: ServerMessage): void => {
    if (child.connected) child.send(message, () => undefined);
  };
  const cancel = (): void => send({ kind: 'cancel' });
  const kill = (): void => void killAll(child, workDir, runsDir);
  const listeners = new AbortController();
  for (const [signal, act] of [
    [cancelSignal, cancel],
    [killSignal, kill],
  ] as const)
    if (signal.aborted) act();
    else signal.addEventListener('abort', act, { once: true, signal: listeners.signal });
  return {
    workDir,
    pid: child.pid ?? 0,
    execute: (command, onFact = () => undefined) =>
      Promise.race([
        resultOf(child, onFact, () => send(command)),
        exited.promise.then(async (how): Promise<CommandResult> => {
          await waitForEngine(workDir, options);
          const output = `The child process of Pulumi ended (${how}). ${await logTail(workDir)}`.trim();
          return { kind: 'failed', output };
        }),
      ]),
    end: async () => {
      if (child.connected) child.disconnect();
      await pTimeout(exited.promise, { milliseconds: timeouts.childExitMs, message: false });
      listeners.abort();
      await killAll(child, workDir, runsDir);
      await rm(workDir, { recursive: true, force: true });
    },
  };
}

/** Sends the command and waits for its result. An invalid message counts as a failure. */
function resultOf(
  child: ChildProcess,
  onFact: (fact: EngineFact) => void,
  sendCommand: () => void,
): Promise<CommandResult> {
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const onMessage = (received: unknown): void => {
    const message = readChildMessage(received);
    if (message?.kind === 'fact') {
      onFact(message.fact);
      return;
    }
    child.off('message', onMessage);
    resolve(message ?? { kind: 'failed', output: 'The child process of Pulumi sent an invalid message.' });
  };
  child.on('message', onMessage);
  sendCommand();
  return promise;
}

/** The child has died, but Pulumi may still run: interrupted, it finishes what it has started and saves its state. */
async function waitForEngine(
  workDir: string,
  { runsDir, killSignal, timeouts }: SessionOptions,
): Promise<void> {
  const interrupted = new Set<number>();
  await waitForExit(runsDir, timeouts.orphanedEngineMs, killSignal, workDir, (pid) => {
    if (!interrupted.has(pid)) signalProcess(pid, 'SIGINT');
    interrupted.add(pid);
  });
}

/** Waits until no Pulumi process is left in the folders of the sessions, or only in `folder`. */
async function waitForExit(
  runsDir: string,
  limitMs: number,
  signal?: AbortSignal,
  folder?: string,
  onRunning: (pid: number) => void = () => undefined,
): Promise<void> {
  const table = await openProcessTable(ENGINE_MARK);
  for (let waitedMs = 0; waitedMs < limitMs && signal?.aborted !== true; waitedMs += POLL_MS) {
    const marked = await table.marked(runsDir);
    const found = marked.filter((entry) => folder === undefined || entry.folder === folder);
    const running = await withoutPlugins(found.map(({ pid }) => pid));
    if (running.length === 0) return;
    for (const pid of running) onRunning(pid);
    await delay(POLL_MS);
  }
}

/** A plugin outlives a killed engine, but does nothing any more. */
async function withoutPlugins(pids: readonly number[]): Promise<number[]> {
  const commands = await Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => !(commands[index] ?? '').includes('pulumi-resource-'));
}

async function killAll(child: ChildProcess, workDir: string, runsDir: string): Promise<void> {
  if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  // A plugin may have a process group of its own.
  await endMarkedProcesses(await openProcessTable(ENGINE_MARK), runsDir, new Set([workDir]));
}

async function logTail(workDir: string): Promise<string> {
  return (await readFile(join(workDir, 'child.log'), 'utf8').catch(() => '')).slice(-LOG_TAIL);
}

/**
 * Waits for Pulumi processes that an earlier process of this server left, kills those that run longer than `limitMs`, and
 * removes the folders of their sessions.
 * @returns the number of killed processes
 */
export async function endEarlierSessions(runsDir: string, limitMs: number): Promise<number> {
  await waitForExit(runsDir, limitMs);
  const { ended } = await endMarkedProcesses(await openProcessTable(ENGINE_MARK), runsDir);
  await rm(runsDir, { recursive: true, force: true });
  return ended;
}
