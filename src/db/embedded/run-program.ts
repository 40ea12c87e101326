// Runs one program to its end, as another user where asked. Knows nothing of Postgres.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

/** A user of the machine, to run programs as. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number };

export type RunOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** Undefined: as the user of this process. */
  readonly account: Account | undefined;
  readonly timeoutMs: number;
  /** `/` unless said, because the other user may not be able to stand where we do. */
  readonly cwd?: string;
};

/** `code` is null where the program did not start (`output` says why) or was ended by a signal or the time-out. */
export type RunResult = { readonly code: number | null; readonly output: string };

/** The end of a program's output that is kept. */
const OUTPUT_CHARACTERS = 16_384;

/**
 * Runs `file` with an argument vector and collects what it prints. Never rejects. The program gets a session of its own,
 * so that a Ctrl-C in our terminal does not reach it: we decide when it ends.
 */
export function runProgram(file: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawnOrFail(file, args, options);
    if (child instanceof Error) {
      resolve({ code: null, output: child.message });
      return;
    }
    let output = '';
    const keep = (chunk: string): void => {
      output = (output + chunk).slice(-OUTPUT_CHARACTERS);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => resolve({ code: null, output: output + error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** Some errors of the start come as an event, others (that we may not become this user) are thrown. */
function spawnOrFail(
  file: string,
  args: readonly string[],
  { account, ...options }: RunOptions,
): ChildProcessByStdio<null, Readable, Readable> | Error {
  try {
    return spawn(file, args, {
      cwd: options.cwd ?? '/',
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/**
 * The environment that the programs of Postgres get: nothing of ours (secrets stay here, a PGDATA or PGPORT of the
 * caller must not lead astray), the C locale (messages are read by us) and UTC.
 */
export function programEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  for (const name of ['PATH', 'LD_LIBRARY_PATH']) {
    const value = env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
