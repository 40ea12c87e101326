// Who did what, and when: written in the transaction of the deed.
import type { Db } from './connect.ts';

export type Deed = {
  readonly who: string;
  readonly what:
    | 'launch'
    | 'destroy'
    | 'cancel'
    | 'extend'
    | 'end'
    | 'adopt'
    | 'terminate'
    | 'let-in'
    | 'give-another'
    | 'release'
    | 'mark-healthy'
    | 'restart';
  /** A few words: how many, which. */
  readonly detail: string;
  readonly operationId?: string | null;
  /** The machine that it is about, if it is about one. */
  readonly hostname?: string;
};

export async function recordDeed(db: Db, deed: Deed): Promise<void> {
  const { who, what, detail, operationId = null, hostname = null } = deed;
  await db
    .insertInto('audit_events')
    .values({ who, what, detail, operation_id: operationId, hostname })
    .execute();
}
