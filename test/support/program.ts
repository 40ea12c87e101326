// The program as people start it: a process of its own, with its embedded database.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** A first start makes a database; on a busy machine that takes its time. */
const START_MS = 60_000;

export type Program = AsyncDisposable & {
  readonly child: ChildProcess;
  /** Everything that it has printed so far. */
  readonly output: () => string;
  /** Where it listens; waits until it says so, and fails when it ends before. */
  readonly url: () => Promise<string>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
};

/** Starts it with this environment and nothing of ours but PATH. Disposing ends it, and whatever it runs. */
export function startProgram(args: readonly string[], env: Readonly<Record<string, string>>): Program {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], PORT: '0', LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode ?? -1);
  const isOver = () => child.signalCode !== null || child.exitCode !== null;
  return {
    child,
    output: () => output,
    ended,
    url: async () => {
      const listening = /listening on (http:\S+)\. /;
      await expect
        .poll(() => listening.test(output) || isOver(), { timeout: START_MS, message: 'it listens, or ends' })
        .toBe(true);
      const url = listening.exec(output)?.[1];
      if (url === undefined) throw new Error(`it ended without listening:\n${output}`);
      return url;
    },
    [Symbol.asyncDispose]: async () => {
      if (isOver()) return;
      child.kill('SIGTERM');
      await ended;
    },
  };
}
