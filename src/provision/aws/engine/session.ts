// One child process that runs the engine, as the server sees it: orders in, answers and facts out. Whatever happens to
// it, an order is answered, and when the session has ended nothing of it is left running.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endMarkedProcesses } from '../../../process/end-marked.ts';
import { openProcessTable, type ProcessMark } from '../../../process/process-table.ts';
import { signalGroup } from '../../../process/signal.ts';
import type { EngineFact } from './facts.ts';
import { readTold, type Answer, type Order, type Sent } from './messages.ts';

export type EngineSession = {
  /** Absolute: of this session alone, gone with it. */
  readonly workDir: string;
  readonly pid: number;
  /** One at a time. A child that dies meanwhile has failed. */
  readonly order: (order: Order, onFact?: (fact: EngineFact) => void) => Promise<Answer>;
  /** Resolves when no process of it is left. */
  readonly end: () => Promise<void>;
};

export type SessionOptions = {
  /** Absolute, without links: sessions have their folders in it. */
  readonly runsDir: string;
  /** What the child finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Asks what runs to end: the engine finishes what is under way. */
  readonly asked: AbortSignal;
  /** Kills. */
  readonly forced: AbortSignal;
  readonly patience: SessionPatience;
};

export type SessionPatience = {
  /** An engine whose child died is asked to end, and killed after so long. */
  readonly loneMs: number;
  /** An idle child is killed where it does not end by itself so soon. */
  readonly endMs: number;
};

export const defaultPatience: SessionPatience = { loneMs: 60_000, endMs: 5_000 };

/** In the environment of a child and of all that it starts. */
export const ENGINE_MARK: ProcessMark = { variable: 'LABLINK_ENGINE_RUN', argument: '--engine-run=' };

const MAIN = fileURLToPath(new URL('../child/child-main.ts', import.meta.url));
const POLL_MS = 50;
const LOG_TAIL = 2_000;

export async function startSession(options: SessionOptions): Promise<EngineSession> {
  const workDir = join(options.runsDir, randomUUID());
  await mkdir(workDir, { recursive: true, mode: 0o700 });
  await using log = await open(join(workDir, 'child.log'), 'a', 0o600);
  const child = spawn(process.execPath, [MAIN, `${ENGINE_MARK.argument}${workDir}`], {
    cwd: workDir,
    env: { ...options.env, [ENGINE_MARK.variable]: workDir },
    // A group of its own: a Ctrl-C in our terminal is ours to pass on, and all of it can be ended.
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  });
  return watch(child, workDir, options);
}

function watch(child: ChildProcess, workDir: string, options: SessionOptions): EngineSession {
  const { asked, forced } = options;
  const exited = Promise.withResolvers<string>();
  child.once('error', (error) => exited.resolve(error.message));
  child.once('exit', (code, signal) => exited.resolve(signal ?? `exit code ${code ?? 0}`));
  const send = (sent: Sent): void => {
    if (child.connected) child.send(sent, () => undefined);
  };
  const ask = (): void => send({ kind: 'cancel' });
  const force = (): void => void killAll(child, workDir, options.runsDir);
  asked.addEventListener('abort', ask, { once: true });
  forced.addEventListener('abort', force, { once: true });
  if (asked.aborted) ask();
  if (forced.aborted) force();
  const release = (): void => {
    asked.removeEventListener('abort', ask);
    forced.removeEventListener('abort', force);
  };
  return {
    workDir,
    pid: child.pid ?? 0,
    order: async (order, onFact = () => undefined) => {
      const answer = await Promise.race([
        answerOf(child, onFact, () => send(order)),
        exited.promise.then(async (how): Promise<Answer> => {
          await waitForEngine(workDir, options);
          return {
            kind: 'failed',
            text: `The engine's process ended (${how}). ${await tail(workDir)}`.trim(),
          };
        }),
      ]);
      return answer;
    },
    end: async () => {
      if (child.connected) child.disconnect();
      const late = new AbortController();
      await Promise.race([
        exited.promise,
        delay(options.patience.endMs, undefined, { signal: late.signal }).catch(() => undefined),
      ]);
      late.abort();
      release();
      await killAll(child, workDir, options.runsDir);
      await rm(workDir, { recursive: true, force: true });
    },
  };
}

/** Sends the order and waits for its answer; a message that is none of ours is an answer too. */
function answerOf(
  child: ChildProcess,
  onFact: (fact: EngineFact) => void,
  begin: () => void,
): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const onMessage = (received: unknown): void => {
    const told = readTold(received);
    if (told?.kind === 'fact') {
      onFact(told.fact);
      return;
    }
    child.off('message', onMessage);
    resolve(
      told ?? { kind: 'failed', text: 'The process of the engine said something that nobody understands.' },
    );
  };
  child.on('message', onMessage);
  begin();
  return promise;
}

/** The child died, and the engine may be at work still: asked to end, it finishes what is under way, and saves. */
async function waitForEngine(workDir: string, { runsDir, forced, patience }: SessionOptions): Promise<void> {
  const table = await openProcessTable(ENGINE_MARK);
  const asked = new Set<number>();
  for (let waitedMs = 0; waitedMs < patience.loneMs && !forced.aborted; waitedMs += POLL_MS) {
    const engines = (await table.marked(runsDir)).filter(({ folder }) => folder === workDir);
    const working = await withoutPlugins(engines.map(({ pid }) => pid));
    if (working.length === 0) return;
    for (const pid of working) {
      if (!asked.has(pid)) signalOne(pid);
      asked.add(pid);
    }
    await delay(POLL_MS);
  }
}

/** A plugin outlives an engine that was killed, and does nothing any more. */
async function withoutPlugins(pids: readonly number[]): Promise<number[]> {
  const commands = await Promise.all(
    pids.map(async (pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return pids.filter((_, index) => !(commands[index] ?? '').includes('pulumi-resource-'));
}

function signalOne(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // It has ended already.
  }
}

async function killAll(child: ChildProcess, workDir: string, runsDir: string): Promise<void> {
  if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  // A plugin may have a group of its own.
  await endMarkedProcesses(await openProcessTable(ENGINE_MARK), runsDir, new Set([workDir]));
}

async function tail(workDir: string): Promise<string> {
  return (await readFile(join(workDir, 'child.log'), 'utf8').catch(() => '')).slice(-LOG_TAIL);
}

/**
 * Engines that an earlier process of this server left behind are let finish, which they are at already; those that do
 * not in time are killed. Folders of sessions that are over go.
 */
export async function endEarlierSessions(runsDir: string, waitMs: number): Promise<number> {
  const table = await openProcessTable(ENGINE_MARK);
  for (let waitedMs = 0; waitedMs < waitMs; waitedMs += POLL_MS) {
    const working = await withoutPlugins((await table.marked(runsDir)).map(({ pid }) => pid));
    if (working.length === 0) break;
    await delay(POLL_MS);
  }
  const { ended } = await endMarkedProcesses(table, runsDir);
  await rm(runsDir, { recursive: true, force: true });
  return ended;
}
