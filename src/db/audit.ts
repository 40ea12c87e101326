// Who did what, and when: written in the transaction of the deed.
import type { Db } from './connect.ts';

export type Deed = {
  readonly who: string;
  readonly what: 'launch' | 'destroy' | 'cancel' | 'extend' | 'end' | 'adopt' | 'terminate';
  /** A few words: how many, which. */
  readonly detail: string;
  readonly operationId: string | null;
};

export async function recordDeed(db: Db, { who, what, detail, operationId }: Deed): Promise<void> {
  await db.insertInto('audit_events').values({ who, what, detail, operation_id: operationId }).execute();
}
