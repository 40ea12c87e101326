// Streams of server-sent events: operations, VMs and their logs.
import type { HandlersOf, Input, Reply, ServerSentEvent } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { findOperation } from '../db/operations.ts';
import { merge } from '../delivery/merge.ts';
import { tailOperation, type Tail } from '../delivery/operation-tail.ts';
import type { VmChange, VmFeed } from '../delivery/vm-feed.ts';
import {
  viewContext,
  vmView,
  type ViewDependencies,
  operationEventView,
  operationVmView,
  operationView,
} from './views.ts';
import { followVmLogs } from './logs.ts';

export type LiveDependencies = ViewDependencies & {
  readonly db: Db;
  readonly vmFeed: VmFeed;
};

/** The maximum number of open streams. */
const MAX_STREAMS = 200;
const OPERATION_READ_MS = 200;

export function createLiveHandlers(dependencies: LiveDependencies): HandlersOf<'live'> {
  const limit = createLimit(MAX_STREAMS);
  return {
    streamVmChanges: ({ lastEventId, query, signal }) => {
      const release = limit.enter(signal);
      if (release === null) return problem('overloaded', TOO_MANY);
      const start = readCursor(lastEventId ?? query.after, 'vms');
      const events = numbered(vmUpdates(dependencies, start.vms, signal), start, ({ vms }) =>
        String(vms ?? 0),
      );
      return { status: 200, type: 'text/event-stream', body: released(events, release) };
    },
    streamOperationEvents: async (input) => {
      const release = limit.enter(input.signal);
      if (release === null) return problem('overloaded', TOO_MANY);
      const answer = await operationStream(dependencies, input).catch(releasing(release));
      if (answer.status === 200) return { ...answer, body: released(answer.body, release) };
      release();
      return answer;
    },
    streamVmLogs: async (input) => {
      const release = limit.enter(input.signal);
      if (release === null) return problem('overloaded', TOO_MANY);
      const answer = await followVmLogs(dependencies, input).catch(releasing(release));
      if (answer.status === 200) return { ...answer, body: released(answer.body, release) };
      release();
      return answer;
    },
  };
}

const TOO_MANY = {
  detail: 'Too many live pages are open on this server. Close some, or try again in a minute.',
};

async function operationStream(
  dependencies: LiveDependencies,
  { path, query, lastEventId, signal }: Input<'streamOperationEvents'>,
): Promise<Reply<'streamOperationEvents'>> {
  const { db } = dependencies;
  if ((await findOperation(db, path.id)) === null) return problem('operation_not_found');
  // An EventSource comes back to a stream that has ended, for ever, unless the answer says that nothing is left.
  if (lastEventId === AFTER_END) return { status: 204, type: '', body: null };
  const start = readCursor(lastEventId ?? query.after, 'output');
  const type = 'text/event-stream';
  const tail = { db, id: path.id, after: start.output, readMs: OPERATION_READ_MS, signal };
  const output = outputUpdates(tail, query.vms !== true);
  if (query.vms !== true)
    return { status: 200, type, body: numbered(output, start, (cursor) => String(cursor.output)) };
  const both = merge([output, vmUpdates(dependencies, start.vms, signal)]);
  const idOf = (cursor: Cursor): string => `${cursor.output}-${cursor.vms ?? 0}`;
  return { status: 200, type, body: numbered(both, start, idOf) };
}

/** The id of `end`, where the stream ends with it. */
const AFTER_END = 'end';

type Cursor = { readonly output: number; readonly vms: number | null };

/** `12-34`: both cursors; `12`: the cursor of the stream's own subject. Any other id means the beginning. */
function readCursor(id: string | null | undefined, own: keyof Cursor): Cursor {
  const { first, second } = /^(?<first>\d{1,15})(?:-(?<second>\d{1,15}))?$/.exec(id ?? '')?.groups ?? {};
  if (first === undefined) return { output: 0, vms: null };
  if (second !== undefined) return { output: Number(first), vms: Number(second) };
  return own === 'output' ? { output: Number(first), vms: null } : { output: 0, vms: Number(first) };
}

/** An event, and the cursor after it; null = the stream cannot be resumed from it. */
type Update = {
  readonly event: string;
  readonly data: unknown;
  readonly to: Partial<Cursor> | typeof AFTER_END | null;
};

/** Each id contains the cursors of everything that was sent before, so that a client can resume from it. */
async function* numbered(
  updates: AsyncIterable<Update>,
  start: Cursor,
  idOf: (cursor: Cursor) => string,
): AsyncGenerator<ServerSentEvent, void> {
  let cursor = start;
  for await (const { event, data, to } of updates) {
    if (to === AFTER_END) {
      yield { event, data, id: AFTER_END };
      continue;
    }
    cursor = { ...cursor, ...to };
    yield to === null ? { event, data } : { event, data, id: idOf(cursor) };
  }
}

async function* outputUpdates(tail: Tail, endsStream: boolean): AsyncGenerator<Update, void> {
  for await (const item of tailOperation(tail)) {
    if (item.kind === 'output')
      yield { event: 'output', data: operationEventView(item.event), to: { output: item.event.id } };
    else if (item.kind === 'machines')
      yield {
        event: 'operation_vms',
        data: { vms: item.machines.map(operationVmView) },
        to: null,
      };
    else {
      const to = item.kind === 'end' && endsStream ? AFTER_END : null;
      yield { event: item.kind, data: operationView(item.operation), to };
    }
  }
}

async function* vmUpdates(
  dependencies: LiveDependencies,
  after: number | null,
  signal: AbortSignal,
): AsyncGenerator<Update, void> {
  for await (const change of dependencies.vmFeed.follow(after, signal)) {
    const data = changeView(change, viewContext(dependencies));
    yield { event: 'vms', data, to: { vms: change.cursor } };
  }
}

function changeView(
  { all, changed, gone }: VmChange,
  context: Parameters<typeof vmView>[1],
): components['schemas']['VmChanges'] {
  return {
    all: all && [...all],
    changed: changed.map((record) => vmView(record, context)),
    gone: [...gone],
  };
}

type Release = () => void;

/**
 * Limits the number of streams that are open at once, from their request to their end. `enter` counts before anything is
 * awaited, so that of a thousand requests at once only as many as are allowed begin to read.
 */
function createLimit(max: number) {
  let open = 0;
  return {
    /** Null where the limit is reached. The place is given back by the first call of the result, or with the signal. */
    enter: (signal: AbortSignal): Release | null => {
      if (open >= max || signal.aborted) return null;
      open += 1;
      let isIn = true;
      const release = (): void => {
        if (isIn) open -= 1;
        isIn = false;
      };
      signal.addEventListener('abort', release, { once: true });
      return release;
    },
  };
}

function releasing(release: Release): (error: unknown) => never {
  return (error) => {
    release();
    throw error;
  };
}

/** A generator that was never started would not reach its `finally`; who reads always calls `return` at the end. */
function released<T>(source: AsyncIterable<T>, release: Release): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      const events = source[Symbol.asyncIterator]();
      return {
        next: async () => {
          const next = await events.next();
          if (next.done === true) release();
          return next;
        },
        return: async () => {
          release();
          return (await events.return?.()) ?? { done: true, value: undefined };
        },
      };
    },
  };
}
