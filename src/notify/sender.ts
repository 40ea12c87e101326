// Sends what is in the outbox. Each allocator has one; whichever takes a delivery first sends it, and renews its lease while it does:
// a server that takes longer than the lease gets one message all the same.
import { Mutex } from 'async-mutex';
import { withTimeLimit } from '../async/time-limit.ts';
import type { Db } from '../db/connect.ts';
import {
  endTry,
  pruneNotifications,
  renewDelivery,
  returnDelivery,
  takeDue,
  type DeliveryLease,
  type DueDelivery,
  type TryEnd,
} from '../db/outbox.ts';
import { MAX_TRIES, pauseAfter } from '../vms/notifications.ts';
import type { Message } from './message.ts';
import type { Send, SendFailure } from './transport.ts';

/** The database's time, and pauses; tests have their own. */
export type NotifyClock = {
  readonly now: () => Promise<Date>;
  /** Resolves after `ms` milliseconds, or when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type SenderOptions = {
  readonly db: Db;
  /** Unique for each run of a process. */
  readonly owner: string;
  readonly clock: NotifyClock;
  readonly senders: { readonly email: Send; readonly webhook: Send };
  /** Null: this program does not know what to say. */
  readonly compose: (delivery: DueDelivery) => Promise<Message | null>;
  /** The signing secret; null where it cannot be read. */
  readonly openSecret: (sealed: string) => string | null;
  readonly intervals?: Partial<SenderIntervals>;
  readonly onFailed: (delivery: DueDelivery, problem: string) => void;
  readonly onError: (error: unknown, doing: string) => void;
};

/** In milliseconds. */
export type SenderIntervals = {
  readonly lookMs: number;
  readonly leaseMs: number;
  readonly renewMs: number;
  readonly emailMs: number;
  readonly webhookMs: number;
  /** How long the stop waits for what is being sent, before it ends it. */
  readonly stopMs: number;
};

export type Sender = {
  /** Tries what is due now, to the end of each try. */
  readonly sendDue: () => Promise<void>;
  /** Takes nothing more. What is being sent has a moment to finish; then it is ended, and tried again later. */
  readonly close: () => Promise<void>;
};

const defaults: SenderIntervals = {
  lookMs: 2_000,
  leaseMs: 10_000,
  renewMs: 3_000,
  emailMs: 60_000,
  webhookMs: 15_000,
  stopMs: 5_000,
};
/** At the same time. */
const MOST = 8;
const KEPT_DAYS = 14;
const PRUNE_EVERY_LOOKS = 1_800;

type Context = SenderOptions & { readonly times: SenderIntervals; readonly cut: AbortSignal };

/** Sends until it is closed. An error is reported, and the next look comes in time. */
export function startSender(options: SenderOptions): Sender {
  const stop = new AbortController();
  const cut = new AbortController();
  const context = { ...options, times: { ...defaults, ...options.intervals }, cut: cut.signal };
  const running = new Set<Promise<void>>();

  // Two looks at the same time would take more than `MOST`, and one would not know of what the other took.
  const taking = new Mutex();
  /** Begins the tries that are due; does not wait for their end. */
  const begin = (): Promise<void> => taking.runExclusive(take);
  async function take(): Promise<void> {
    const free = MOST - running.size;
    if (free <= 0 || stop.signal.aborted) return;
    const limits = { most: free, maxTries: MAX_TRIES };
    for (const delivery of await takeDue(options.db, await leaseOf(context), limits)) {
      const trying = tryOnce(context, delivery)
        .catch((error: unknown) => options.onError(error, 'sending a notification'))
        .finally(() => running.delete(trying));
      running.add(trying);
    }
  }

  async function run(): Promise<void> {
    for (let look = 1; !stop.signal.aborted; look += 1) {
      try {
        await begin();
        if (look % PRUNE_EVERY_LOOKS === 0) await pruneNotifications(options.db, KEPT_DAYS);
      } catch (error) {
        options.onError(error, 'looking for notifications to send');
      }
      await options.clock.sleep(context.times.lookMs, stop.signal);
    }
  }

  const ended = run();
  return {
    sendDue: async () => {
      await begin();
      await Promise.all(running);
    },
    close: async () => {
      stop.abort();
      await ended;
      const finished = Promise.allSettled(running);
      await withTimeLimit<unknown>(
        context.times.stopMs,
        () => finished,
        () => cut.abort(),
      );
      await finished;
    },
  };
}

async function leaseOf({ owner, clock, times }: Context): Promise<DeliveryLease> {
  return { owner, leaseMs: times.leaseMs, now: await clock.now() };
}

async function tryOnce(context: Context, delivery: DueDelivery): Promise<void> {
  const { db, owner, clock, onFailed } = context;
  const end = new AbortController();
  const lost = new AbortController();
  const renewing = keepLease(context, delivery.id, { lost, ended: end.signal });
  const failure = await send(context, delivery, lost.signal).finally(() => end.abort());
  await renewing;
  if (lost.signal.aborted) return;
  if (context.cut.aborted && failure !== null) {
    await returnDelivery(db, delivery.id, owner);
    return;
  }
  const outcome = outcomeOf(failure, delivery.tries);
  await endTry(db, delivery.id, { owner, now: await clock.now() }, outcome);
  if (outcome.kind === 'failed') onFailed(delivery, outcome.problem);
}

const UNKNOWN = 'This version of the allocator does not know the event.';

async function send(
  { senders, compose, openSecret, times, cut }: Context,
  delivery: DueDelivery,
  lost: AbortSignal,
): Promise<SendFailure | null> {
  const composed = await compose(delivery);
  if (composed === null) return { problem: UNKNOWN, retryAfterSeconds: null, isFinal: true };
  const { id, kind, address, sealedSecret, event, at } = delivery;
  const { text, end, ...message } = composed;
  const isLetter = kind === 'email' && !delivery.isToParticipant;
  const limit = AbortSignal.timeout(kind === 'email' ? times.emailMs : times.webhookMs);
  const secret = sealedSecret === null ? null : openSecret(sealedSecret);
  const sent = { ...message, id, address, secret, event, at, text: isLetter ? `${text}\n\n${end}` : text };
  return senders[kind](sent, AbortSignal.any([limit, lost, cut]));
}

function outcomeOf(failure: SendFailure | null, tries: number): TryEnd {
  if (failure === null) return { kind: 'sent' };
  const { problem, isFinal, retryAfterSeconds } = failure;
  const afterSeconds = isFinal ? null : pauseAfter(tries, retryAfterSeconds);
  return afterSeconds === null ? { kind: 'failed', problem } : { kind: 'again', problem, afterSeconds };
}

/** Renews the lease until `ended`. Who has lost it, or could not renew it in time, stops: another allocator sends then. */
async function keepLease(
  context: Context,
  id: string,
  { lost, ended }: { readonly lost: AbortController; readonly ended: AbortSignal },
): Promise<void> {
  const { db, clock, times, onError } = context;
  let renewedAt = performance.now();
  for (;;) {
    await clock.sleep(times.renewMs, ended);
    if (ended.aborted) return;
    const leftMs = (): number => renewedAt + times.leaseMs - times.renewMs - performance.now();
    // A database that does not answer must not hold it up until another allocator has the lease.
    const startedAt = performance.now();
    const renewed = await withTimeLimit(
      Math.max(0, leftMs()),
      async () => renewDelivery(db, id, await leaseOf(context)),
      () => false,
    ).catch((error: unknown) => {
      onError(error, 'renewing the lease of a notification');
      return null;
    });
    if (renewed === true) renewedAt = startedAt;
    if (renewed === false || leftMs() <= 0) {
      lost.abort();
      return;
    }
  }
}
