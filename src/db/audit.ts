// Who did what, and when: written in the transaction of the action itself.
import type { Db } from './connect.ts';

export type AuditEvent = {
  readonly who: string;
  readonly what:
    | 'launch'
    | 'destroy'
    | 'cancel'
    | 'reschedule-shutdown'
    | 'shutdown'
    | 'adopt'
    | 'terminate'
    | 'allow-browser'
    | 'reassign'
    | 'release'
    | 'mark-healthy'
    | 'restart';
  /** A few words: how many, which. */
  readonly detail: string;
  readonly operationId?: string | null;
  /** The machine that it is about, if it is about one. */
  readonly hostname?: string;
};

export async function recordAuditEvent(db: Db, event: AuditEvent): Promise<void> {
  const { who, what, detail, operationId = null, hostname = null } = event;
  await db
    .insertInto('audit_events')
    .values({ who, what, detail, operation_id: operationId, hostname })
    .execute();
}
