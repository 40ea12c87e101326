// A stack of opened resources: opening one registers its close, and all closes run once, in reverse.
// Knows nothing of what it holds. In the spirit of graphile/worker's releasers.
import type { Log } from './log.ts';

/** How long one close may take; then it is forced. */
const CLOSE_TIMEOUT_MS = 10_000;
/** How long a forced close may still take; then it is given up and the next close runs. */
const FORCED_CLOSE_TIMEOUT_MS = 1_000;

export type Closing = {
  /** Aborted when this close takes too long, or the grace period of `kill` is over: stop waiting, cut connections. */
  readonly force: AbortSignal;
};

export type Lifecycle = {
  /**
   * Opens a resource and registers its close. If that fails, everything opened before is closed and the promise rejects
   * with the reason. Once stopping has begun it rejects too, and what was still opened is closed.
   * @param name for logs and errors, such as `http server`.
   * @param open may watch the signal, which is aborted when stopping begins.
   */
  readonly acquire: <T>(
    name: string,
    open: (signal: AbortSignal) => T | Promise<T>,
    close: (opened: T, closing: Closing) => void | Promise<void>,
  ) => Promise<T>;
  /** Aborted when stopping begins, before anything is closed. Its reason is an Error. */
  readonly signal: AbortSignal;
  /**
   * Closes everything in reverse. A close that throws or does not end is logged and the rest is still closed; then the
   * first such error is thrown. Calls meanwhile share the outcome; a call after the end is a bug and throws.
   */
  readonly stop: (reason: string) => Promise<void>;
  /**
   * `stop`, and force after the grace period. May be called while stopping, also again with a shorter period, and after
   * the end, where it repeats the outcome: a second signal can come at any moment.
   */
  readonly kill: (graceMs: number) => Promise<void>;
  /** For `await using`: stops, or waits for a running stop. Does nothing after the end. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type LifecycleOptions = {
  readonly closeTimeoutMs?: number;
  readonly forcedCloseTimeoutMs?: number;
  /** Runs the action after the delay, unless the returned function is called before. */
  readonly after?: (delayMs: number, action: () => void) => () => void;
};

type Close = (closing: Closing) => void | Promise<void>;
type Held = { readonly name: string; readonly close: Close };
type Bounds = Required<LifecycleOptions> & { readonly log: Log; readonly force: AbortSignal };

/** An empty stack. The caller must stop, kill or dispose it: the end of the process does nothing. */
export function createLifecycle(log: Log, options: LifecycleOptions = {}): Lifecycle {
  const { closeTimeoutMs = CLOSE_TIMEOUT_MS, forcedCloseTimeoutMs = FORCED_CLOSE_TIMEOUT_MS } = options;
  const { after = afterTimeout } = options;
  const stopping = new AbortController();
  const force = new AbortController();
  const bounds = { closeTimeoutMs, forcedCloseTimeoutMs, after, log, force: force.signal };
  const held: Held[] = [];
  const opening = new Set<Promise<unknown>>();
  let release: Promise<void> | undefined;
  let ended = false;

  const releaseAll = async (): Promise<void> => {
    const settled: Held = { name: 'resources that were still opening', close: () => settle(opening) };
    const errors = [...(await closeOne(settled, bounds)), ...(await closeAll(held, bounds))];
    ended = true;
    // From here on an acquire closes what it opens; what was opened just before is closed here.
    errors.push(...(await closeAll(held, bounds)));
    if (errors.length > 0) throw errors[0];
  };
  const begin = (reason: string): Promise<void> => {
    if (release) return release;
    // Assigned before the signal is aborted, so that its listeners may call stop.
    const outcome = Promise.withResolvers<undefined>();
    release = outcome.promise;
    log.info({ reason }, 'Stopping.');
    stopping.abort(new Error(`Stopping: ${reason}`));
    releaseAll().then(() => outcome.resolve(undefined), outcome.reject);
    return release;
  };

  return {
    signal: stopping.signal,
    acquire: async (name, open, close) => {
      stopping.signal.throwIfAborted();
      const task = Promise.try(open, stopping.signal).then((opened) => {
        held.push({ name, close: (closing) => close(opened, closing) });
        return opened;
      });
      opening.add(task);
      try {
        const opened = await task.finally(() => opening.delete(task));
        if (ended) await closeAll(held, bounds);
        stopping.signal.throwIfAborted();
        return opened;
      } catch (error) {
        await begin(`${name} could not be opened`).catch(nothing);
        throw error;
      }
    },
    stop: async (reason) => {
      if (ended) throw new Error(`Everything is already closed; stopping again ("${reason}") is a bug.`);
      await begin(reason);
    },
    kill: async (graceMs) => {
      const cancel = after(graceMs, () => force.abort());
      await begin('killed').finally(cancel);
    },
    [Symbol.asyncDispose]: async () => {
      if (!ended) await begin('no longer needed');
    },
  };
}

function afterTimeout(delayMs: number, action: () => void): () => void {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
}

async function settle(opening: ReadonlySet<Promise<unknown>>): Promise<void> {
  await Promise.allSettled(opening);
}

const nothing = (): void => undefined;

async function closeAll(held: Held[], bounds: Bounds): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (let next = held.pop(); next !== undefined; next = held.pop())
    errors.push(...(await closeOne(next, bounds)));
  return errors;
}

/** At most one error, which is already logged. */
async function closeOne({ name, close }: Held, bounds: Bounds): Promise<unknown[]> {
  try {
    await closeInTime(name, close, bounds);
    return [];
  } catch (error) {
    bounds.log.error({ err: error, resource: name }, `Closing ${name} failed; the rest is still closed.`);
    return [error];
  }
}

async function closeInTime(name: string, close: Close, bounds: Bounds): Promise<void> {
  const { after, closeTimeoutMs, forcedCloseTimeoutMs, log, force } = bounds;
  const cut = new AbortController();
  const givenUp = Promise.withResolvers<undefined>();
  let cancel: () => void = nothing;
  const onForce = (): void => {
    if (cut.signal.aborted) return;
    cancel();
    log.warn({ resource: name }, `Closing ${name} is forced.`);
    cut.abort();
    cancel = after(forcedCloseTimeoutMs, () =>
      givenUp.reject(
        new Error(`Closing ${name} did not end within ${forcedCloseTimeoutMs} ms of being forced.`),
      ),
    );
  };
  force.addEventListener('abort', onForce);
  if (force.aborted) onForce();
  else cancel = after(closeTimeoutMs, onForce);
  try {
    await Promise.race([Promise.try(close, { force: cut.signal }), givenUp.promise]);
  } finally {
    cancel();
    force.removeEventListener('abort', onForce);
  }
}
