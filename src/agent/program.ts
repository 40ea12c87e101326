// Runs a program: an argument vector, its own process group, limits of time and output. Never a shell.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { sleep } from '../async/abort.ts';
import { killGroup } from './processes.ts';

export type ProgramSpec = {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Aborted: the group is asked to end, then killed. */
  readonly stopSignal: AbortSignal;
  /** Aborted: the group is killed at once. */
  readonly forceSignal: AbortSignal;
};

/** `output` is the end of its output and error output together. */
export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number | null; readonly output: string }
  | { readonly kind: 'timed_out' | 'stopped'; readonly output: string }
  | { readonly kind: 'not_started'; readonly missing: boolean; readonly reason: string };

const OUTPUT_LIMIT_BYTES = 8_192;
/** Between asking a group to end and killing it. */
const KILL_AFTER_MS = 2_000;
/** Daemons of a program may hold its output open: it is read for this long after its end. */
const DRAIN_MS = 250;

/** Runs a program until it ends or must end. Daemons that it leaves behind after a normal end go on. */
export async function runProgram(spec: ProgramSpec): Promise<ProgramEnd> {
  if (spec.stopSignal.aborted || spec.forceSignal.aborted) return { kind: 'stopped', output: '' };
  const child = spawn(spec.program, spec.args, {
    env: { ...spec.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const output = collect(child);
  const exit = exitOf(child);
  feed(child, spec.input);
  const ended = new AbortController();
  const limits = watchLimits(child, spec, ended.signal);
  const end = await exit;
  ended.abort();
  const limit = await limits;
  if (end instanceof Error) return { kind: 'not_started', missing: isMissing(end), reason: end.message };
  await drain(child);
  return limit === null ? { kind: 'exited', code: end, output: output() } : { kind: limit, output: output() };
}

/** The exit code (null: ended by a signal), or the error of a program that could not be started. */
async function exitOf(child: ChildProcess): Promise<number | null | Error> {
  const failed = once(child, 'error').then(([error]: unknown[]) =>
    error instanceof Error ? error : new Error(String(error)),
  );
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return Promise.race([failed, exited]);
}

/** A program that does not read its input is not an error. */
function feed(child: ChildProcess, input: string): void {
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
}

function collect(child: ChildProcess): () => string {
  let kept = Buffer.alloc(0);
  const read = (stream: Readable | null) => {
    stream?.on('error', () => undefined);
    stream?.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]).subarray(-OUTPUT_LIMIT_BYTES);
    });
  };
  read(child.stdout);
  read(child.stderr);
  return () => kept.toString('utf8');
}

/** Ends the group after its time, or when the agent stops; null: the program ended before. */
async function watchLimits(
  child: ChildProcess,
  spec: ProgramSpec,
  ended: AbortSignal,
): Promise<'timed_out' | 'stopped' | null> {
  const interrupted = AbortSignal.any([ended, spec.stopSignal, spec.forceSignal]);
  await sleep(spec.timeoutMs, interrupted);
  if (ended.aborted || child.pid === undefined) return null;
  const limit = interrupted.aborted ? 'stopped' : 'timed_out';
  if (!spec.forceSignal.aborted) {
    killGroup(child.pid, 'SIGTERM');
    await sleep(KILL_AFTER_MS, AbortSignal.any([ended, spec.forceSignal]));
  }
  // Even if the leader has ended meanwhile: others of the group may not have.
  killGroup(child.pid, 'SIGKILL');
  return limit;
}

async function drain(child: ChildProcess): Promise<void> {
  const closed = new AbortController();
  if (child.stdout?.readableEnded === false || child.stderr?.readableEnded === false) {
    child.once('close', () => closed.abort());
    await sleep(DRAIN_MS, closed.signal);
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function isMissing(error: Error): boolean {
  return 'code' in error && error.code === 'ENOENT';
}
