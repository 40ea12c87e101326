// The request for an operation on the VMs that an admin has selected.
import { createHash } from 'node:crypto';
import type { Db } from '../db/connect.ts';
import type { OperationRequest } from '../db/operations.ts';
import type { OperationKind } from '../vms/operation.ts';
import { requestOnce, type Repeated, type Requested } from './request.ts';

export type SelectedRequest = {
  readonly kind: Exclude<OperationKind, 'launch'>;
  readonly hostnames: readonly string[];
  /** The live assignments that may be affected; a VM with another one is not touched. */
  readonly assignmentIds: readonly string[];
  readonly by: string;
  /** A repetition with the same key gets the same operation. */
  readonly idempotencyKey?: string | null;
};

/** Requests it, once for each key. */
export function requestSelected(
  db: Db,
  request: (asked: Omit<OperationRequest, 'id'>) => Promise<Requested>,
  asked: SelectedRequest,
): Promise<Requested | Repeated> {
  const selected = selectedRequest(asked);
  return requestOnce(db, selected.idempotency ?? null, () => request(selected));
}

/** What is stored of it: a digest tells a repetition from another request with the same key. */
function selectedRequest({
  by,
  idempotencyKey = null,
  ...asked
}: SelectedRequest): Omit<OperationRequest, 'id'> {
  const digest = createHash('sha256').update(JSON.stringify(asked)).digest('hex');
  const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, request: `selected ${digest}` };
  return { ...asked, requestedBy: by, numVms: null, idempotency };
}
