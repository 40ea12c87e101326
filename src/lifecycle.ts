// The stack of what was opened: whoever opens registers the close, and all closes run in reverse, once.
// Knows nothing of what it holds. In the spirit of graphile/worker's releasers.
import type { Log } from './log.ts';

/** How long one close may take in peace; then it is forced. */
const CLOSE_TIMEOUT_MS = 10_000;
/** How long a forced close may still take; then it is given up and the next one has its turn. */
const FORCED_CLOSE_TIMEOUT_MS = 1_000;

export type Closing = {
  /** Aborted when this close is out of time, or the grace of `kill` is over: wait for nobody any more, cut. */
  readonly force: AbortSignal;
};

export type Lifecycle = {
  /**
   * Opens something and registers its close. If the opening fails, everything opened before is closed again and the
   * promise rejects with the reason. Once stopping has begun it rejects too, and what was still opened is closed.
   * @param name told in logs and errors, such as `http server`.
   * @param open may watch the signal, which tells that stopping has begun.
   */
  readonly acquire: <T>(
    name: string,
    open: (signal: AbortSignal) => T | Promise<T>,
    close: (opened: T, closing: Closing) => void | Promise<void>,
  ) => Promise<T>;
  /** Aborted when stopping begins, before anything is closed. Its reason is an Error that tells why. */
  readonly signal: AbortSignal;
  /**
   * Closes everything in reverse. A close that throws or does not end is logged and the rest is closed all the same;
   * then the first such error is thrown. Calls meanwhile share the outcome; a call after the end is a bug and throws.
   */
  readonly stop: (reason: string) => Promise<void>;
  /**
   * `stop`, and force after the grace. May be called while stopping, also again with less grace, and after the end,
   * where it repeats the outcome: a second signal can come at any moment.
   */
  readonly kill: (graceMs: number) => Promise<void>;
  /** For `await using`: stops, or waits for a stop that runs. After the end there is nothing to do. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

export type LifecycleOptions = {
  readonly closeTimeoutMs?: number;
  readonly forcedCloseTimeoutMs?: number;
  /** Runs the action after the delay, unless the function that it returns is called before. */
  readonly after?: (delayMs: number, action: () => void) => () => void;
};

type Close = (closing: Closing) => void | Promise<void>;
type Held = { readonly name: string; readonly close: Close };
type Bounds = Required<LifecycleOptions> & { readonly log: Log; readonly force: AbortSignal };

/** An empty stack. Nothing is done at the end of the process by itself: the caller stops, kills or disposes. */
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
    const settled: Held = { name: 'what was still opening', close: () => settle(opening) };
    const errors = [...(await closeOne(settled, bounds)), ...(await closeAll(held, bounds))];
    ended = true;
    // From here on whoever still opens something closes it too; what came just before is closed here.
    errors.push(...(await closeAll(held, bounds)));
    if (errors.length > 0) throw errors[0];
  };
  const begin = (reason: string): Promise<void> => {
    if (release) return release;
    // Assigned before anybody hears of it, so that whoever hears of it may call stop.
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
      if (ended) throw new Error(`Everything is closed already; stopping again ("${reason}") is a bug.`);
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

/** What went wrong, if anything: at most one error, logged already. */
async function closeOne({ name, close }: Held, bounds: Bounds): Promise<unknown[]> {
  try {
    await closeInTime(name, close, bounds);
    return [];
  } catch (error) {
    bounds.log.error(
      { err: error, resource: name },
      `Closing ${name} failed; the rest is closed all the same.`,
    );
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
