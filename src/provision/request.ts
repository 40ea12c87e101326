// Requests to start and to cancel operations: row, job, audit event and first line of output are one transaction. At most one
// operation is active; a second request is answered with the active one.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import { appendOperationEvents } from '../db/operation-events.ts';
import {
  requestCancel,
  findActiveOperation,
  findRepeated,
  findOperation,
  insertOperation,
  type Idempotency,
  type OperationRecord,
  type OperationRequest,
} from '../db/operations.ts';
import { describeRequest, machines, namesOrCount } from '../vms/operation.ts';
import { wallTimeAt } from '../vms/zoned-time.ts';
import type { OperationQueue } from './queue.ts';
import { problemOf } from './run.ts';

export type Requested =
  | { readonly kind: 'accepted'; readonly operation: OperationRecord }
  | { readonly kind: 'busy'; readonly running: OperationRecord };

/** `repeated`: an earlier request with this key started the operation. `key_reused`: that one asked for something else. */
export type Repeated =
  { readonly kind: 'repeated'; readonly operation: OperationRecord } | { readonly kind: 'key_reused' };

export type Cancelled =
  | { readonly kind: 'requested'; readonly operation: OperationRecord }
  | { readonly kind: 'finished'; readonly operation: OperationRecord }
  | { readonly kind: 'unknown' };

/** An entry of the schedule that asks; what `inSameTransaction` writes is there if and only if the operation is. */
export type Planned = {
  readonly scheduleId: string;
  readonly inSameTransaction: (trx: Db) => Promise<void>;
};

type Context = { readonly db: Db; readonly queue: Pick<OperationQueue, 'enqueue' | 'remove' | 'wake'> };

/** The active operation may end before it is read: then the request is tried again. */
const ATTEMPTS = 3;

const CANCELLED_IN_QUEUE = problemOf({
  code: 'cancelled',
  message: 'The operation had not begun; nothing was changed.',
  remedy: 'Start it again if you still need it.',
});

/** @param inSameTransaction throws where the operation must not start any more */
export async function requestOperation(
  { db, queue }: Context,
  request: OperationRequest,
  inSameTransaction: (trx: Db) => Promise<void> = () => Promise.resolve(),
): Promise<Requested> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const operation = await db.transaction().execute(async (trx) => {
      const inserted = await insertOperation(trx, request);
      if (inserted) {
        await queue.enqueue(trx, inserted.id);
        await recordAuditEvent(trx, {
          who: request.requestedBy,
          what: request.kind,
          detail: detailOf(request),
          operationId: inserted.id,
        });
        // The page of the operation then shows the request at once.
        const text = `${describeRequest(request)}.`;
        const line = { at: inserted.requestedAt, level: 'info', hostname: null, text } as const;
        await appendOperationEvents(trx, inserted.id, [line]);
        await inSameTransaction(trx);
      }
      return inserted;
    });
    if (operation) {
      queue.wake();
      return { kind: 'accepted', operation };
    }
    const running = (await findActiveOperation(db)) ?? (await findSameKey(db, request));
    if (running) return { kind: 'busy', running };
  }
  throw new Error('an operation could not be inserted, although none is active');
}

async function findSameKey(
  db: Db,
  { idempotency = null }: OperationRequest,
): Promise<OperationRecord | null> {
  return (idempotency && (await findRepeated(db, idempotency))?.operation) ?? null;
}

/** Asks only once for a request with a key. Without one, or with a new one, it asks. */
export async function requestOnce<Answer extends { readonly kind: string }>(
  db: Db,
  idempotency: Idempotency | null,
  ask: () => Promise<Answer>,
): Promise<Answer | Repeated> {
  const before = await repeatedRequest(db, idempotency);
  if (before) return before;
  const answer = await ask();
  // The same request may have been faster.
  return (answer.kind === 'busy' && (await repeatedRequest(db, idempotency))) || answer;
}

/** Null where there is no key, or a new one. */
async function repeatedRequest(db: Db, idempotency: Idempotency | null): Promise<Repeated | null> {
  const found = idempotency && (await findRepeated(db, idempotency));
  if (!found) return null;
  return found.isSame ? { kind: 'repeated', operation: found.operation } : { kind: 'key_reused' };
}

function detailOf({ numVms, hostnames, shutdownAt }: OperationRequest): string {
  if (hostnames) return namesOrCount(hostnames);
  if (numVms === null) return 'all machines';
  return shutdownAt ? `${machines(numVms)}, until ${wallTimeAt(shutdownAt, 'UTC')} UTC` : machines(numVms);
}

export async function cancelOperation({ db, queue }: Context, id: string, by: string): Promise<Cancelled> {
  return db.transaction().execute(async (trx): Promise<Cancelled> => {
    const before = await findOperation(trx, id);
    const result = await requestCancel(trx, id, CANCELLED_IN_QUEUE);
    if (result === 'cancelled') await queue.remove(trx, id);
    if (before?.cancelRequestedAt === null && (result === 'requested' || result === 'cancelled'))
      await recordAuditEvent(trx, { who: by, what: 'cancel', detail: before.kind, operationId: id });
    const operation = await findOperation(trx, id);
    if (operation === null) return { kind: 'unknown' };
    return { kind: result === 'finished' ? 'finished' : 'requested', operation };
  });
}
