// Ends a child process: first with a signal that it can handle, then with SIGKILL.
import type { ChildProcess } from 'node:child_process';

/** Resolves when the process has ended, for whatever reason. */
export function ending(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
    return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** Sends `signal`, and SIGKILL after `graceMs` or when `force` is aborted. */
export async function endChild(
  child: ChildProcess,
  { signal, graceMs, force }: { signal: NodeJS.Signals; graceMs: number; force: AbortSignal },
): Promise<void> {
  const ended = ending(child);
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(kill, graceMs);
  force.addEventListener('abort', kill, { once: true });
  child.kill(signal);
  await ended;
  clearTimeout(timer);
  force.removeEventListener('abort', kill);
}
