// Runs one program to its end, as another user if asked. Knows nothing of Postgres.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A user of the computer, to run programs as. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number };

export type RunOptions = {
  readonly env: Readonly<Record<string, string>>;
  /** Undefined: the user of this process. */
  readonly account: Account | undefined;
  readonly timeoutMs: number;
  /** `/` by default, because the other user may have no access to our working directory. */
  readonly cwd?: string;
};

/** `code` is null where the program did not start (`output` has the reason) or was ended by a signal or the time-out. */
export type RunResult = { readonly code: number | null; readonly output: string };

/** The end of a program's output that is kept. */
const OUTPUT_CHARACTERS = 16_384;

/**
 * Runs `file` with an argument vector and collects its output. Never rejects. The program gets its own session, so that
 * a Ctrl-C in our terminal does not reach it.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { account, env, timeoutMs, cwd = '/' }: RunOptions,
): Promise<RunResult> {
  let output = '';
  const keep = (chunk: string): void => {
    output = (output + chunk).slice(-OUTPUT_CHARACTERS);
  };
  try {
    const child = spawn(file, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      ...(account && { uid: account.uid, gid: account.gid }),
    });
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    await once(child, 'close');
    return { code: child.exitCode, output };
  } catch (error) {
    return { code: null, output: output + (error instanceof Error ? error.message : String(error)) };
  }
}

/**
 * The environment of the programs of Postgres: none of our variables (secrets stay here; the caller's PGDATA or PGPORT
 * must have no effect), the C locale (we read the messages) and UTC.
 */
export function programEnv(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const { PATH = '/usr/bin:/bin', LD_LIBRARY_PATH } = env;
  return { PATH, LC_ALL: 'C', TZ: 'UTC', ...(LD_LIBRARY_PATH !== undefined && { LD_LIBRARY_PATH }) };
}
