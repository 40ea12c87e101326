// How a run is made to end, in two steps: it is asked, and after a while forced; one that does not even end then is
// left to itself. Knows nothing of what runs.

/** `lost`: the operation's lease is somebody else's, or nobody's; nothing may be written any more. */
export type EndReason = 'cancelled' | 'timeout' | 'stopping' | 'lost';

export type Patience = {
  /** From asking to forcing. */
  readonly forceAfterMs: number;
  /** From forcing to leaving it to itself. */
  readonly abandonAfterMs: number;
};

export type RunControl = {
  readonly asked: AbortSignal;
  readonly forced: AbortSignal;
  /** Resolves when the run did not end although it was forced to. */
  readonly abandoned: Promise<unknown>;
  /** Why it was asked to end; null where it was not. */
  readonly reason: () => EndReason | null;
  /** Asks. The first reason stays, but for `lost`, which forces at once. */
  ask(reason: EndReason): void;
  force(): void;
  /** The run has ended: nothing is waited for any more. */
  close(): void;
};

export function createRunControl({ forceAfterMs, abandonAfterMs }: Patience): RunControl {
  const asked = new AbortController();
  const forced = new AbortController();
  const { promise: abandoned, resolve: abandon } = Promise.withResolvers<unknown>();
  let reason: EndReason | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const force = (): void => {
    if (closed || forced.signal.aborted) return;
    clearTimeout(timer);
    asked.abort();
    forced.abort();
    timer = setTimeout(abandon, abandonAfterMs, null);
  };
  const ask = (given: EndReason): void => {
    if (closed) return;
    if (reason === null || given === 'lost') reason = given;
    if (given === 'lost') force();
    if (asked.signal.aborted) return;
    asked.abort();
    timer = setTimeout(force, forceAfterMs);
  };
  const close = (): void => {
    closed = true;
    clearTimeout(timer);
  };
  return {
    asked: asked.signal,
    forced: forced.signal,
    abandoned,
    reason: () => reason,
    ask,
    force,
    close,
  };
}
