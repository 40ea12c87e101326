// Who did what, and when: written in the transaction of the action itself.
import type { AuditAction } from '../vms/timeline.ts';
import type { Db } from './connect.ts';

export type AuditEvent = {
  readonly who: string;
  readonly what: AuditAction;
  /** A few words: how many, which. */
  readonly detail: string;
  readonly operationId?: string | null;
  /** Of the VM, if the action is about one. */
  readonly hostname?: string;
  /** The client's, where it is known. */
  readonly address?: string;
};

export async function recordAuditEvent(db: Db, event: AuditEvent): Promise<void> {
  const { who, what, detail, operationId = null, hostname = null, address = null } = event;
  await db
    .insertInto('audit_events')
    .values({ who, what, detail, operation_id: operationId, hostname, address })
    .execute();
}
