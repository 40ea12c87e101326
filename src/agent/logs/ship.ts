// Ships log files, batch after batch, in order, each until it is answered. What is not shipped yet stays in the files.
import type { AgentParts } from '../parts.ts';
import { delayAfter, isFinal, isUnknownVm, sentenceOf } from '../retry.ts';
import { isAborted } from '../turn.ts';
import { createFollower, type Follower, type LogBatch } from './follow.ts';
import { messageLimits, type MessageLimits } from './messages.ts';
import { openPositions, type Position } from './positions.ts';

const WHAT = 'shipping logs';
const BODY_TOO_LARGE = 413;
/** The contract's limit. */
const LOG_GROUP_MAX_LENGTH = 512;

/** Runs until the agent stops; what is there by then is shipped within the grace, if the allocator takes it. */
export async function shipLogs(parts: AgentParts): Promise<void> {
  const { options, stopping, troubles } = parts;
  if (options.logFiles.length === 0) return;
  const { clock, random } = options.world;
  const positions = await openPositions(options.stateFolder, troubles);
  const quietMs = options.intervals.partialLineMs;
  const followers = options.logFiles.map((path) =>
    createFollower(path, { positions, now: clock.now, random, quietMs }),
  );
  const shipment = createShipment(parts);
  try {
    await parts.presence.announced;
    while (!stopping.aborted) {
      const isShipped = await shipRound(followers, (follower) => shipment.ship(follower, stopping));
      if (!isShipped) await clock.sleep(options.intervals.logsMs, stopping);
    }
    let isMore = true;
    while (isMore) isMore = await shipRound(followers, (follower) => shipment.shipLast(follower));
  } finally {
    await Promise.all(followers.map((follower) => follower.close()));
  }
}

/** One batch of each file, so that a busy one does not keep the others waiting. True where there was any. */
async function shipRound(
  followers: readonly Follower[],
  ship: (follower: Follower) => Promise<boolean>,
): Promise<boolean> {
  let isShipped = false;
  for (const follower of followers) isShipped = (await ship(follower)) || isShipped;
  return isShipped;
}

type Shipment = {
  /** Ships the next batch, until it is answered or the signal aborted. False where there was nothing to ship. */
  ship(follower: Follower, signal: AbortSignal): Promise<boolean>;
  /** Tries once. */
  shipLast(follower: Follower): Promise<boolean>;
};

function createShipment(parts: AgentParts): Shipment {
  const { options, troubles } = parts;
  const sizes = createBatchSizes();

  async function ship(follower: Follower, signal: AbortSignal): Promise<boolean> {
    const batch = await nextBatch(parts, follower, sizes.limits());
    if (!batch) return false;
    for (let attempt = 0; !isAborted(signal); attempt++) {
      const answer = await send(parts, follower.path, batch, signal);
      if (answer.kind === 'ok') {
        troubles.over(WHAT);
        sizes.passed(batch);
        await follower.advance(batch);
        return true;
      }
      if (isAborted(signal)) break;
      troubles.tell(WHAT, sentenceOf(answer));
      if (isUnknownVm(answer)) parts.presence.tellAgain();
      else if (isFinal(answer)) {
        if (sizes.shrink(batch, answer.status === BODY_TOO_LARGE)) return true;
        // It would be refused for ever, and everything after it would never come.
        options.world.log.error(`a log line of ${follower.path} was left out`);
        sizes.passed(batch);
        await follower.advance(batch);
        return true;
      }
      await options.world.clock.sleep(delayAfter(answer, attempt, parts), signal);
    }
    return false;
  }

  async function shipLast(follower: Follower): Promise<boolean> {
    const batch = isAborted(parts.closing) ? null : await nextBatch(parts, follower, sizes.limits());
    if (!batch) return false;
    const answer = await send(parts, follower.path, batch, parts.closing);
    if (answer.kind !== 'ok') return false;
    await follower.advance(batch);
    return true;
  }

  return { ship, shipLast };
}

type BatchSizes = {
  limits(): MessageLimits;
  /** The same lines are to come again in smaller batches; false where it is one line already. */
  shrink(batch: LogBatch, isTooLarge: boolean): boolean;
  passed(batch: LogBatch): void;
};

/** A proxy may allow less than the allocator: that is learnt for good. What else is refused is narrowed down to its line. */
function createBatchSizes(): BatchSizes {
  let most = messageLimits.batchMessages;
  let suspect: { readonly messages: number; readonly until: Position } | null = null;
  return {
    limits: () => ({ ...messageLimits, batchMessages: Math.min(most, suspect?.messages ?? most) }),
    shrink({ messages, after }, isTooLarge) {
      if (messages.length <= 1) return false;
      const half = Math.ceil(messages.length / 2);
      if (isTooLarge) most = half;
      else suspect = { messages: half, until: suspect?.until ?? after };
      return true;
    },
    passed({ after }) {
      if (suspect?.until.generation !== after.generation) return;
      if (after.offset >= suspect.until.offset) suspect = null;
    },
  };
}

async function nextBatch(
  { troubles }: AgentParts,
  follower: Follower,
  limits: MessageLimits,
): Promise<LogBatch | null> {
  const what = `reading ${follower.path}`;
  try {
    const batch = await follower.next(limits);
    troubles.over(what);
    return batch;
  } catch (error) {
    troubles.tell(what, error instanceof Error ? error.message : String(error));
    await follower.close();
    return null;
  }
}

function send({ api, options }: AgentParts, path: string, batch: LogBatch, signal: AbortSignal) {
  const body = {
    log_group: path.slice(-LOG_GROUP_MAX_LENGTH),
    log_stream: options.hostname,
    messages: batch.messages.map(({ text }) => text),
    event_ids: batch.messages.map(({ id }) => id),
  };
  return api.ask((client, within) => client.POST('/api/vm-logs', { body, signal: within }), signal);
}
