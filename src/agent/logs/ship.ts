// Ships log files, batch after batch, in order, each until it is answered. What is not shipped yet stays in the files.
import { isAborted, sleep } from '../../async/abort.ts';
import type { AgentContext } from '../context.ts';
import type { ErrorLog } from '../error-log.ts';
import { delayAfter, isFinal } from '../requests.ts';
import { createFollower, type Follower, type LogBatch } from './follow.ts';
import { messageLimits, type MessageLimits } from './messages.ts';
import { openPositions, type Position } from './positions.ts';
import { describeFailure } from '../../result.ts';

const WHAT = 'shipping logs';
const BODY_TOO_LARGE = 413;
/** The contract's limit. */
const LOG_GROUP_MAX_LENGTH = 512;

/** Runs until the agent stops; the lines of that moment are shipped within the grace, if the allocator accepts them. */
export async function shipLogs(context: AgentContext): Promise<void> {
  const { options, stopping, errors } = context;
  if (options.logFiles.length === 0) return;
  const positions = await openPositions(options.stateFolder, errors);
  const quietMs = options.intervals.partialLineMs;
  const followers = options.logFiles.map((path) => createFollower(path, { positions, quietMs }));
  const shipment = createShipment(context);
  try {
    await watchUntilAnnounced(context, followers);
    while (!stopping.aborted) {
      const isShipped = await shipRound(followers, (follower) => shipment.ship(follower, stopping));
      if (!isShipped) await sleep(options.intervals.logsMs, stopping);
    }
    let isMore = true;
    while (isMore) isMore = await shipRound(followers, (follower) => shipment.shipLast(follower));
  } finally {
    await Promise.all(followers.map((follower) => follower.close()));
  }
}

/** Ships nothing: a file may be renamed before the allocator can be reached. */
async function watchUntilAnnounced(
  { options, presence, errors }: AgentContext,
  followers: readonly Follower[],
): Promise<void> {
  const announced = new AbortController();
  void presence.announced.then(() => announced.abort());
  while (!isAborted(announced.signal)) {
    for (const follower of followers) await reading(follower, errors, () => follower.look());
    await sleep(options.intervals.logsMs, announced.signal);
  }
}

/** One batch of each file, so that a busy file does not delay the others. Whether there was any. */
async function shipRound(
  followers: readonly Follower[],
  ship: (follower: Follower) => Promise<boolean>,
): Promise<boolean> {
  let isShipped = false;
  for (const follower of followers) isShipped = (await ship(follower)) || isShipped;
  return isShipped;
}

type Shipment = {
  /** Ships the next batch, until it is answered or the signal is aborted. False: nothing was shipped. */
  ship(follower: Follower, signal: AbortSignal): Promise<boolean>;
  /** The same, with one attempt. */
  shipLast(follower: Follower): Promise<boolean>;
};

function createShipment(context: AgentContext): Shipment {
  const { options, errors, presence } = context;
  const sizes = createBatchSizes();

  async function ship(follower: Follower, signal: AbortSignal): Promise<boolean> {
    const batch = await nextBatch(context, follower, sizes.limits());
    if (!batch) return false;
    for (let attempt = 0; !isAborted(signal); attempt++) {
      const answer = await send(context, follower.path, batch, signal);
      if (answer.ok) {
        errors.resolve(WHAT);
        sizes.passed(batch);
        await follower.advance(batch);
        return true;
      }
      if (isAborted(signal)) break;
      const { failure } = answer;
      errors.report(WHAT, describeFailure(failure));
      if (failure.code === 'unknown_vm') presence.reportAgain();
      else if (isFinal(failure)) {
        if (sizes.shrink(batch, failure.status === BODY_TOO_LARGE)) return true;
        // It would be refused for ever, and no later line would be shipped.
        options.dependencies.log.error(`a log line of ${follower.path} was skipped`);
        sizes.passed(batch);
        await follower.advance(batch);
        return true;
      }
      await sleep(delayAfter(answer, attempt, options.intervals), signal);
    }
    return false;
  }

  async function shipLast(follower: Follower): Promise<boolean> {
    const batch = isAborted(context.closing) ? null : await nextBatch(context, follower, sizes.limits());
    if (!batch) return false;
    const answer = await send(context, follower.path, batch, context.closing);
    if (!answer.ok) return false;
    await follower.advance(batch);
    return true;
  }

  return { ship, shipLast };
}

type BatchSizes = {
  limits(): MessageLimits;
  /** The same lines will come again in smaller batches. False: it is one line already. */
  shrink(batch: LogBatch, isTooLarge: boolean): boolean;
  passed(batch: LogBatch): void;
};

/** A proxy may allow less than the allocator: that limit is kept. Any other refusal is narrowed down to its line. */
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

function nextBatch(
  { errors }: AgentContext,
  follower: Follower,
  limits: MessageLimits,
): Promise<LogBatch | null> {
  return reading(follower, errors, () => follower.next(limits));
}

/** Null where the file cannot be read, which is reported once. */
async function reading<T>(follower: Follower, errors: ErrorLog, work: () => Promise<T>): Promise<T | null> {
  const what = `reading ${follower.path}`;
  try {
    const result = await work();
    errors.resolve(what);
    return result;
  } catch (error) {
    errors.report(what, error instanceof Error ? error.message : String(error));
    await follower.close();
    return null;
  }
}

function send({ api, options }: AgentContext, path: string, batch: LogBatch, signal: AbortSignal) {
  const body = {
    log_group: path.slice(-LOG_GROUP_MAX_LENGTH),
    log_stream: options.hostname,
    messages: batch.messages.map(({ text }) => text),
    event_ids: batch.messages.map(({ id }) => id),
  };
  return api.ask((client, within) => client.POST('/api/vm-logs', { body, signal: within }), signal);
}
