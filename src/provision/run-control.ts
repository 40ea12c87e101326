// How a run is ended, in two steps: it is cancelled, and after a while forced to end; a run that still does not end is
// abandoned. Knows nothing of what runs.

/** `lost`: another process holds the lease of the operation, or none does; nothing may be written any more. */
export type CancelReason = 'cancelled' | 'timeout' | 'stopping' | 'lost';

export type CancelTimeouts = {
  /** From cancelling to forcing. */
  readonly forceAfterMs: number;
  /** From forcing to abandoning. */
  readonly abandonAfterMs: number;
};

export type RunControl = {
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  /** Aborted when the run is forced to end. */
  readonly forceSignal: AbortSignal;
  /** Resolves when the run did not end although it was forced to. */
  readonly abandoned: Promise<unknown>;
  /** Why the run was cancelled; null if it was not. */
  readonly reason: () => CancelReason | null;
  /** The first reason is kept, except that `lost` replaces it and forces at once. */
  cancel(reason: CancelReason): void;
  force(): void;
  /** The run has ended: stops the timers. */
  close(): void;
};

export function createRunControl({ forceAfterMs, abandonAfterMs }: CancelTimeouts): RunControl {
  const cancelled = new AbortController();
  const forced = new AbortController();
  const { promise: abandoned, resolve: abandon } = Promise.withResolvers<unknown>();
  let reason: CancelReason | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const force = (): void => {
    if (closed || forced.signal.aborted) return;
    clearTimeout(timer);
    cancelled.abort();
    forced.abort();
    timer = setTimeout(abandon, abandonAfterMs, null);
  };
  const cancel = (given: CancelReason): void => {
    if (closed) return;
    if (reason === null || given === 'lost') reason = given;
    if (given === 'lost') force();
    if (cancelled.signal.aborted) return;
    cancelled.abort();
    timer = setTimeout(force, forceAfterMs);
  };
  const close = (): void => {
    closed = true;
    clearTimeout(timer);
  };
  return {
    signal: cancelled.signal,
    forceSignal: forced.signal,
    abandoned,
    reason: () => reason,
    cancel,
    force,
    close,
  };
}
