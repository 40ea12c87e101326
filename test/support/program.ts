// Runs the program in its own process, with its embedded database.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Compiling the modules takes a third of the time of a start. */
const COMPILE_CACHE = fileURLToPath(new URL('../../.cache/compiled', import.meta.url));
/** A first start creates a database, which takes long on a busy computer. */
const START_MS = 60_000;
const POLL_MS = 20;

export type Program = AsyncDisposable & {
  readonly child: ChildProcess;
  /** Its output so far. */
  readonly output: () => string;
  /** Waits for its address; throws if it ends before. */
  readonly url: () => Promise<string>;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
};

type ProgramOptions = {
  /** Of a copy of the repository. */
  readonly main?: string;
  /** Whether it has a channel for messages. */
  readonly ipc?: boolean;
};

/** The environment is `env` and PATH. Disposing stops the program. */
export function startProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { main = MAIN, ipc = false }: ProgramOptions = {},
): Program {
  return startCommand([process.execPath, main, ...args], env, ipc);
}

/** The same with another command than Node, such as an installed `lablink`. */
export function startCommand(
  [command = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  ipc = false,
): Program {
  const child = spawn(command, args, {
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      PORT: '0',
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ipc ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(() => child.signalCode ?? child.exitCode ?? -1);
  const hasEnded = () => child.signalCode !== null || child.exitCode !== null;
  return {
    child,
    output: () => output,
    ended,
    url: async () => {
      const listening = /listening on (http:\S+)\. /;
      for (
        let waitedMs = 0;
        waitedMs < START_MS && !listening.test(output) && !hasEnded();
        waitedMs += POLL_MS
      )
        await delay(POLL_MS);
      const url = listening.exec(output)?.[1];
      if (url === undefined)
        throw new Error(
          `the program ${hasEnded() ? 'ended before it listened' : 'does not listen'}:\n${output}`,
        );
      return url;
    },
    [Symbol.asyncDispose]: async () => {
      if (hasEnded()) return;
      child.kill('SIGTERM');
      await ended;
    },
  };
}
