// Watches the embedded server while the allocator lives: one that was killed (by the kernel when memory ran out, by hand)
// is started again on its port, so that pool and listener find it by themselves; its log is kept small.
import { setInterval } from 'node:timers/promises';
import type { Context } from './context.ts';
import { tryFileLock, type FileLock } from './file-lock.ts';
import { findPostmaster } from './postmaster.ts';
import { startServer } from './server.ts';
import { boundLog, LOG_LIMIT_BYTES } from './server-log.ts';

const WATCH_MS = 1_000;

/** `end` stops watching and hands over the owner lock: undefined where another process has it. */
export type Supervision = { end(): Promise<FileLock | undefined> };

/** Watches from now on, as soon and as long as the owner lock is ours. Does not keep the process alive. */
export function supervise(
  context: Context,
  port: number,
  ownerLock: FileLock | undefined,
  watchMs: number = WATCH_MS,
): Supervision {
  const { places, keeper, log } = context;
  const ending = new AbortController();
  let owner = ownerLock;
  let lastTrouble: string | undefined;
  const look = async (): Promise<void> => {
    owner ??= lockOf(places.ownerLock, keeper);
    if (owner === undefined) return;
    const trouble = await lookAfter(context, port);
    if (trouble !== undefined && trouble !== lastTrouble) log(trouble);
    lastTrouble = trouble;
  };
  const watching = everyInterval(watchMs, ending.signal, look).catch((error: unknown) =>
    log(`The embedded Postgres is not watched any more: ${String(error)}`),
  );
  return {
    end: async () => {
      ending.abort();
      await watching;
      return owner;
    },
  };
}

async function everyInterval(ms: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    const ticks = setInterval(ms, work, { signal, ref: false });
    for await (const tick of ticks) await tick();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A sentence where the server is gone and does not come back. */
async function lookAfter(context: Context, port: number): Promise<string | undefined> {
  const { places, keeper, log } = context;
  if ((await findPostmaster(places.cluster)) !== undefined) {
    await boundLog(places.log, LOG_LIMIT_BYTES);
    return undefined;
  }
  const startLock = lockOf(places.startLock, keeper);
  if (startLock === undefined) return undefined;
  try {
    if ((await findPostmaster(places.cluster)) !== undefined) return undefined;
    log(`The embedded Postgres has died; starting it again (its log: ${places.log}).`);
    const started = await startServer(context, port);
    return started.ok ? undefined : `${started.problem.message} ${started.problem.remedy}`;
  } finally {
    startLock.release();
  }
}

function lockOf(path: string, keeper: Context['keeper']): FileLock | undefined {
  const tried = tryFileLock(path, keeper);
  return tried.ok ? tried.lock : undefined;
}
