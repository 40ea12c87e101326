// Watches the embedded server while the allocator lives: a server that was killed (by the kernel when memory ran out, by
// hand) is started again on its port, so that pool and listener reconnect by themselves; its log is kept small.
import { setInterval } from 'node:timers/promises';
import { tryFileLock, type FileLock } from './file-lock.ts';
import type { Context } from './paths.ts';
import { findPostmaster } from './postmaster.ts';
import { startServer } from './server.ts';
import { boundLog, LOG_LIMIT_BYTES } from './server-log.ts';
import { describeFailure } from '../../result.ts';

const WATCH_MS = 1_000;

/** `end` stops watching and returns the owner lock: undefined where another process has it. */
export type Supervision = { end(): Promise<FileLock | undefined> };

/** Watches from now on, as soon and as long as the owner lock is ours. Does not keep the process alive. */
export function supervise(context: Context, port: number, ownerLock: FileLock | undefined): Supervision {
  const { paths, log } = context;
  const ending = new AbortController();
  let owner = ownerLock;
  let lastError: string | undefined;
  const check = async (): Promise<void> => {
    owner ??= lockOf(paths.ownerLock, context);
    if (owner === undefined) return;
    const error = await restartIfDead(context, port);
    if (error !== undefined && error !== lastError) log(error);
    lastError = error;
  };
  const watching = everyInterval(WATCH_MS, ending.signal, check).catch((error: unknown) =>
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
    for await (const run of setInterval(ms, work, { signal, ref: false })) await run();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** A sentence where the server has died and cannot be started. */
async function restartIfDead(context: Context, port: number): Promise<string | undefined> {
  const { paths, log } = context;
  const isAlive = async (): Promise<boolean> => (await findPostmaster(paths.cluster)) !== undefined;
  if (await isAlive()) {
    await boundLog(paths.log, LOG_LIMIT_BYTES);
    return undefined;
  }
  const startLock = lockOf(paths.startLock, context);
  if (startLock === undefined) return undefined;
  try {
    if (await isAlive()) return undefined;
    log(`The embedded Postgres has died; starting it again (its log: ${paths.log}).`);
    const started = await startServer(context, port);
    return started.ok ? undefined : describeFailure(started.failure);
  } finally {
    startLock.release();
  }
}

function lockOf(path: string, { fileOwner }: Context): FileLock | undefined {
  const tried = tryFileLock(path, fileOwner);
  return tried.ok ? tried.value : undefined;
}
