// Running a program: an argument vector, its own process group, bounded in time and output. Never a shell.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { AgentClock, AgentWorld } from './options.ts';

export type ProgramSpec = {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Aborted = ask the group to end, then kill it. */
  readonly stopSignal: AbortSignal;
  /** Aborted = kill the group at once. */
  readonly forceSignal: AbortSignal;
};

/** `output` is the end of what it wrote, both streams together. */
export type ProgramEnd =
  | { readonly kind: 'exited'; readonly code: number | null; readonly output: string }
  | { readonly kind: 'timed_out' | 'stopped'; readonly output: string }
  | { readonly kind: 'not_started'; readonly missing: boolean; readonly reason: string };

const OUTPUT_LIMIT_BYTES = 8_192;
/** Between asking a group to end and killing it. */
const KILL_AFTER_MS = 2_000;
/** Daemons that a program leaves behind may hold its output open: it is read this long after its end. */
const DRAIN_MS = 250;

/** Runs a program to its end, or to ours. Children that it leaves behind after a normal end live on. */
export async function runProgram(
  world: Pick<AgentWorld, 'clock' | 'spawn' | 'killGroup'>,
  spec: ProgramSpec,
): Promise<ProgramEnd> {
  if (spec.stopSignal.aborted || spec.forceSignal.aborted) return { kind: 'stopped', output: '' };
  const child = world.spawn(spec.program, spec.args, {
    env: { ...spec.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const output = collect(child);
  const exit = exitOf(child);
  feed(child, spec.input);
  const ended = new AbortController();
  const limits = watchLimits(world, child, spec, ended.signal);
  const end = await exit;
  ended.abort();
  const why = await limits;
  if (end instanceof Error) return { kind: 'not_started', missing: isMissing(end), reason: end.message };
  await drain(world.clock, child);
  return why === null ? { kind: 'exited', code: end, output: output() } : { kind: why, output: output() };
}

/** The exit code (null: a signal), or why it could not be started. */
async function exitOf(child: ChildProcess): Promise<number | null | Error> {
  const failed = once(child, 'error').then(([error]: unknown[]) =>
    error instanceof Error ? error : new Error(String(error)),
  );
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return Promise.race([failed, exited]);
}

/** A program that does not read its input is no fault of ours. */
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

/** Ends the group when it is time, or when we are told to stop; null = it ended by itself. */
async function watchLimits(
  world: Pick<AgentWorld, 'clock' | 'killGroup'>,
  child: ChildProcess,
  spec: ProgramSpec,
  ended: AbortSignal,
): Promise<'timed_out' | 'stopped' | null> {
  const interrupted = AbortSignal.any([ended, spec.stopSignal, spec.forceSignal]);
  await world.clock.sleep(spec.timeoutMs, interrupted);
  if (ended.aborted || child.pid === undefined) return null;
  const why = interrupted.aborted ? 'stopped' : 'timed_out';
  if (!spec.forceSignal.aborted) {
    world.killGroup(child.pid, 'SIGTERM');
    await world.clock.sleep(KILL_AFTER_MS, AbortSignal.any([ended, spec.forceSignal]));
  }
  // Also where the leader has ended meanwhile: others of the group may not have.
  world.killGroup(child.pid, 'SIGKILL');
  return why;
}

async function drain(clock: AgentClock, child: ChildProcess): Promise<void> {
  const closed = new AbortController();
  if (child.stdout?.readableEnded === false || child.stderr?.readableEnded === false) {
    child.once('close', () => closed.abort());
    await clock.sleep(DRAIN_MS, closed.signal);
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function isMissing(error: Error): boolean {
  return 'code' in error && error.code === 'ENOENT';
}
