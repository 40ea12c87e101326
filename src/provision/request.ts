// Asking for operations, and for their end: row, job, audit and the first line of output are one transaction. At most one operation is active;
// who comes second is told which.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import { appendOperationEvents } from '../db/operation-events.ts';
import {
  askToCancel,
  findActiveOperation,
  findOperation,
  insertOperation,
  type OperationRecord,
  type OperationRequest,
} from '../db/operations.ts';
import { describeRequest, machines, namesOrCount, type OperationProblem } from '../vms/operation.ts';
import type { OperationQueue } from './queue.ts';

export type Requested =
  | { readonly kind: 'accepted'; readonly operation: OperationRecord }
  | { readonly kind: 'busy'; readonly running: OperationRecord };

export type Cancelled =
  | { readonly kind: 'asked'; readonly operation: OperationRecord }
  | { readonly kind: 'over'; readonly operation: OperationRecord }
  | { readonly kind: 'unknown' };

type Place = { readonly db: Db; readonly queue: Pick<OperationQueue, 'enqueue' | 'drop' | 'wake'> };

/** The one that is in the way may end before it is looked at: then it is tried again. */
const ATTEMPTS = 3;

const CANCELLED_UNBEGUN = {
  kind: 'cancelled',
  problem: 'Cancelled before it began; nothing was changed.',
  remedy: 'Ask for it again, if it is wanted after all.',
} as const satisfies OperationProblem;

export async function requestOperation({ db, queue }: Place, request: OperationRequest): Promise<Requested> {
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
        // Whoever asked is led to its page, and reads there at once that it was heard.
        const text = `${describeRequest(request)}.`;
        const line = { at: inserted.requestedAt, level: 'info', hostname: null, text } as const;
        await appendOperationEvents(trx, inserted.id, [line]);
      }
      return inserted;
    });
    if (operation) {
      queue.wake();
      return { kind: 'accepted', operation };
    }
    const running = await findActiveOperation(db);
    if (running) return { kind: 'busy', running };
  }
  throw new Error('an operation could not be begun, and none is in its way');
}

function detailOf({ numVms, hostnames, shutdownAt }: OperationRequest): string {
  if (hostnames) return namesOrCount(hostnames);
  if (numVms === null) return 'all machines';
  return shutdownAt ? `${machines(numVms)}, until ${shutdownAt.toISOString()}` : machines(numVms);
}

export async function cancelOperation({ db, queue }: Place, id: string, by: string): Promise<Cancelled> {
  return db.transaction().execute(async (trx): Promise<Cancelled> => {
    const before = await findOperation(trx, id);
    const result = await askToCancel(trx, id, CANCELLED_UNBEGUN);
    if (result === 'ended') await queue.drop(trx, id);
    if (before?.cancelRequestedAt === null && (result === 'asked' || result === 'ended'))
      await recordAuditEvent(trx, { who: by, what: 'cancel', detail: before.kind, operationId: id });
    const operation = await findOperation(trx, id);
    if (operation === null) return { kind: 'unknown' };
    return { kind: result === 'over' ? 'over' : 'asked', operation };
  });
}
