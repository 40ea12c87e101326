// The recipients of notifications, and the list of what was sent to them.
import { sql } from 'kysely';
import { readEvents, type NotificationEvent } from '../vms/notifications.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { errorCode, UNIQUE_VIOLATION } from './errors.ts';

type RecipientKind = 'email' | 'webhook';

export type RecipientRecord = {
  readonly id: string;
  readonly kind: RecipientKind;
  readonly address: string;
  readonly events: readonly NotificationEvent[];
  readonly pausedAt: Date | null;
  readonly addedAt: Date;
  readonly addedBy: string;
};

export type NewRecipient = {
  readonly id: string;
  readonly kind: RecipientKind;
  readonly address: string;
  /** Of a webhook. */
  readonly sealedSecret: string | null;
  readonly events: readonly NotificationEvent[];
};

export type DeliveryRecord = {
  readonly id: string;
  readonly event: string;
  readonly at: Date;
  readonly kind: RecipientKind;
  readonly address: string;
  readonly status: 'waiting' | 'sent' | 'failed';
  readonly tries: number;
  readonly triedAt: Date | null;
  readonly nextTryAt: Date;
  readonly problem: string | null;
  readonly isPaused: boolean;
  readonly isToParticipant: boolean;
};

const MAX_RECIPIENTS = 50;
/** The list shows the newest. */
const LISTED = 100;

/** By kind and address. */
export async function listRecipients(db: Db): Promise<RecipientRecord[]> {
  const rows = await db
    .selectFrom('notification_recipients')
    .select(['id', 'kind', 'address', 'events', 'paused_at', 'added_at', 'added_by'])
    .orderBy('kind')
    .orderBy('address')
    .execute();
  return rows.map((row) => ({
    id: row.id,
    kind: readKind(row.kind),
    address: row.address,
    events: readEvents(row.events),
    pausedAt: row.paused_at,
    addedAt: row.added_at,
    addedBy: row.added_by,
  }));
}

/** `exists`: this address is a recipient. `full`: there are as many as there may be. */
export async function addRecipient(
  db: Db,
  recipient: NewRecipient,
  who: string,
): Promise<'added' | 'exists' | 'full'> {
  const { id, kind, address, sealedSecret, events } = recipient;
  try {
    return await db.transaction().execute(async (trx) => {
      const { rows } = await sql`
        insert into notification_recipients (id, kind, address, sealed_secret, events, added_by)
        select ${id}, ${kind}, ${address}, ${sealedSecret}, ${[...events]}::text[], ${who}
        where (select count(*) from notification_recipients) < ${MAX_RECIPIENTS} returning id`.execute(trx);
      if (rows.length === 0) return 'full';
      await recordAuditEvent(trx, { who, what: 'notify-add', detail: nameOf({ kind, address }) });
      return 'added';
    });
  } catch (error) {
    if (errorCode(error) === UNIQUE_VIOLATION) return 'exists';
    throw error;
  }
}

export type RecipientChange =
  | { readonly kind: 'events'; readonly events: readonly NotificationEvent[] }
  | { readonly kind: 'pause' | 'resume' | 'remove' | 'test' };

const audited = {
  events: 'notify-change',
  pause: 'notify-pause',
  resume: 'notify-resume',
  remove: 'notify-remove',
  test: 'notify-test',
} as const satisfies Record<RecipientChange['kind'], string>;

/** Changes a recipient; what is so already is not audited again. `test` puts a message into the outbox, also for one that is paused. False: there is none with this id. */
export async function changeRecipient(
  db: Db,
  { id, who }: { readonly id: string; readonly who: string },
  change: RecipientChange,
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const recipient = await trx
      .selectFrom('notification_recipients')
      .select(['kind', 'address', 'paused_at'])
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (recipient === undefined) return false;
    // A second click.
    if (change.kind === (recipient.paused_at === null ? 'resume' : 'pause')) return true;
    await carryOut(trx, { id, who }, change);
    const detail = nameOf({ kind: readKind(recipient.kind), address: recipient.address });
    await recordAuditEvent(trx, { who, what: audited[change.kind], detail });
    return true;
  });
}

async function carryOut(
  trx: Db,
  { id, who }: { readonly id: string; readonly who: string },
  change: RecipientChange,
): Promise<void> {
  const update = trx.updateTable('notification_recipients').where('id', '=', id);
  switch (change.kind) {
    case 'events':
      await update.set({ events: [...change.events] }).execute();
      return;
    case 'pause':
      await update.set({ paused_at: sql<Date>`now()` }).execute();
      return;
    case 'resume':
      await update.set({ paused_at: null }).execute();
      return;
    case 'remove':
      await trx.deleteFrom('notification_recipients').where('id', '=', id).execute();
      return;
    case 'test':
      await sql`with added as (
          insert into notifications (key, event, data) values ('test/' || gen_random_uuid(), 'test',
            jsonb_build_object('requested_by', ${who}::text)) returning id
        ) insert into notification_deliveries (notification_id, recipient_id) select id, ${id} from added`.execute(
        trx,
      );
  }
}

/** Begins the tries of a delivery that has failed anew. False: there is none with this id, or it has not failed. */
export async function retryDelivery(
  db: Db,
  { id, who }: { readonly id: string; readonly who: string },
): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ event: string; address: string | null; kind: string | null }>`
      update notification_deliveries d set status = 'waiting', tries = 0, next_try_at = now(), problem = null
      from notifications n
      where d.id = ${id} and d.status = 'failed' and d.recipient_id is not null and n.id = d.notification_id
      returning n.event, (select address from notification_recipients r where r.id = d.recipient_id) as address,
        (select kind from notification_recipients r where r.id = d.recipient_id) as kind`.execute(trx);
    const [row] = rows;
    if (row === undefined) return false;
    const to = nameOf({ kind: readKind(row.kind ?? 'email'), address: row.address ?? '' });
    await recordAuditEvent(trx, { who, what: 'notify-retry', detail: `${row.event} to ${to}` });
    return true;
  });
}

/** Newest first. */
export async function listDeliveries(db: Db): Promise<DeliveryRecord[]> {
  const { rows } = await sql<Omit<DeliveryRecord, 'kind' | 'status'> & { kind: string; status: string }>`
    select d.id, n.event, n.at, coalesce(r.kind, 'email') as kind, coalesce(r.address, w.email) as address, d.status, d.tries,
      d.tried_at as "triedAt", d.next_try_at as "nextTryAt", d.problem, r.paused_at is not null as "isPaused",
      d.place_id is not null as "isToParticipant"
    from notification_deliveries d join notifications n on n.id = d.notification_id
    left join notification_recipients r on r.id = d.recipient_id
    left join waiting_list w on w.id = d.place_id
    order by n.at desc, d.id limit ${LISTED}`.execute(db);
  return rows.map((row) => ({ ...row, kind: readKind(row.kind), status: readStatus(row.status) }));
}

/** The path and the query of a webhook often are its secret: the audit has its host only. */
function nameOf({ kind, address }: { readonly kind: RecipientKind; readonly address: string }): string {
  return kind === 'email' ? address : `webhook at ${URL.parse(address)?.host ?? 'an unreadable address'}`;
}

function readKind(stored: string): RecipientKind {
  return stored === 'webhook' ? 'webhook' : 'email';
}

function readStatus(stored: string): DeliveryRecord['status'] {
  return stored === 'sent' || stored === 'failed' ? stored : 'waiting';
}
