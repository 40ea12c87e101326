// The outbox: what has happened and is to be sent. A delivery is sent by the allocator that holds its lease, which it renews while it
// sends; a lease that has run out is taken over. Times are the database's, unless a test gives its own.
import { sql } from 'kysely';
import type { NotificationEvent } from '../vms/notifications.ts';
import type { Db } from './connect.ts';

export type NewNotification = {
  /** What is the same thing: it is announced once, by one process. */
  readonly key: string;
  readonly event: NotificationEvent;
  /** What the message says; see notify/message.ts. */
  readonly data: Readonly<Record<string, unknown>>;
  /** After so many milliseconds it is not sent any more; absent: whenever it is possible. */
  readonly usefulMs?: number;
};

/** In the transaction of what has happened. What happens in rows, such as the end of an operation, triggers announce (migration 0028). */
export async function addNotification(db: Db, added: NewNotification): Promise<void> {
  const { key, event, data, usefulMs = null } = added;
  const until = sql`now() + make_interval(secs => ${usefulMs === null ? null : usefulMs / 1_000}::float8)`;
  await sql`select add_notification(${key}, ${event}, ${JSON.stringify(data)}::jsonb, ${until})`.execute(db);
}

export type DueDelivery = {
  readonly id: string;
  readonly kind: 'email' | 'webhook';
  /** An e-mail address, or the address of a webhook. */
  readonly address: string;
  readonly sealedSecret: string | null;
  readonly event: string;
  readonly at: Date;
  readonly data: unknown;
  /** With the one that begins now. */
  readonly tries: number;
  readonly isToParticipant: boolean;
};

export type DeliveryLease = {
  /** Unique for each run of a process. */
  readonly owner: string;
  readonly leaseMs: number;
  readonly now: Date;
};

const leaseEnd = ({ now, leaseMs }: DeliveryLease) =>
  sql`${now}::timestamptz + make_interval(secs => ${leaseMs / 1_000})`;

/**
 * Takes deliveries that are due, at most `most`; each begins a try. Whose last try was interrupted (its lease has run out), or which
 * comes too late, has failed. Those of a paused recipient stay, but for tests.
 */
export async function takeDue(
  db: Db,
  lease: DeliveryLease,
  { most, maxTries }: { readonly most: number; readonly maxTries: number },
): Promise<DueDelivery[]> {
  const { owner, now } = lease;
  const { rows } = await sql<DueDelivery>`
    with due as (
      select d.id, d.tries >= ${maxTries} as is_used_up, coalesce(n.useful_until <= ${now}, false) as is_late
      from notification_deliveries d join notifications n on n.id = d.notification_id
      left join notification_recipients r on r.id = d.recipient_id
      where d.status = 'waiting' and d.next_try_at <= ${now} and coalesce(d.lease_until <= ${now}, true)
        and (r.paused_at is null or n.event = 'test')
      order by d.next_try_at limit ${most} for update of d skip locked
    ), given_up as (
      update notification_deliveries d set status = 'failed', lease_owner = null, lease_until = null,
        problem = case when is_late then 'It was too late to send it.' else coalesce(d.problem, 'The last try was interrupted.') end
      from due where d.id = due.id and (is_used_up or is_late)
    ), taken as (
      update notification_deliveries d set tries = d.tries + 1, tried_at = ${now}, lease_owner = ${owner},
        lease_until = ${leaseEnd(lease)}
      from due where d.id = due.id and not is_used_up and not is_late
      returning d.*
    )
    select d.id, coalesce(r.kind, 'email') as kind, coalesce(r.address, w.email) as address, r.sealed_secret as "sealedSecret",
      n.event, n.at, n.data, d.tries, d.place_id is not null as "isToParticipant"
    from taken d join notifications n on n.id = d.notification_id
    left join notification_recipients r on r.id = d.recipient_id
    left join waiting_list w on w.id = d.place_id`.execute(db);
  return rows;
}

/** Whether this owner still had the lease. */
export async function renewDelivery(db: Db, id: string, lease: DeliveryLease): Promise<boolean> {
  const { numAffectedRows } = await sql`update notification_deliveries set lease_until = ${leaseEnd(lease)}
    where id = ${id} and lease_owner = ${lease.owner} and status = 'waiting'`.execute(db);
  return numAffectedRows === 1n;
}

export type TryEnd =
  | { readonly kind: 'sent' }
  | { readonly kind: 'failed'; readonly problem: string }
  | { readonly kind: 'again'; readonly problem: string; readonly afterSeconds: number };

/** Ends a try; nothing changes if this owner has lost the lease. */
export async function endTry(
  db: Db,
  id: string,
  { owner, now }: Pick<DeliveryLease, 'owner' | 'now'>,
  end: TryEnd,
): Promise<void> {
  await db
    .updateTable('notification_deliveries')
    .set({
      status: end.kind === 'again' ? 'waiting' : end.kind,
      problem: end.kind === 'sent' ? null : end.problem,
      lease_owner: null,
      lease_until: null,
      ...(end.kind === 'again' && { next_try_at: new Date(now.getTime() + end.afterSeconds * 1_000) }),
    })
    .where('id', '=', id)
    .where('lease_owner', '=', owner)
    .execute();
}

/** The allocator stops: the try does not count, and another one may begin at once. */
export async function returnDelivery(db: Db, id: string, owner: string): Promise<void> {
  await sql`update notification_deliveries set tries = tries - 1, lease_owner = null, lease_until = null
    where id = ${id} and lease_owner = ${owner}`.execute(db);
}

/** Deletes what happened before so many days, with what was sent; but what a bill has reached stays reached. */
export async function pruneNotifications(db: Db, days: number): Promise<void> {
  await sql`delete from notifications n where at < now() - make_interval(days => ${days}) and event <> 'cost_limit'
    and not exists (select from notification_deliveries d where d.notification_id = n.id and d.status = 'waiting')`.execute(
    db,
  );
}

export type OutboxCounts = { readonly waiting: number; readonly failed: number };

/** Deliveries that wait for a try, and those that have failed in the last day. */
export async function countOutbox(db: Db): Promise<OutboxCounts> {
  const { rows } = await sql<OutboxCounts>`
    select count(*) filter (where status = 'waiting')::int as waiting,
      count(*) filter (where status = 'failed' and tried_at > now() - interval '1 day')::int as failed
    from notification_deliveries`.execute(db);
  return rows[0] ?? { waiting: 0, failed: 0 };
}
