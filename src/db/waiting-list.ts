// The places on the waiting list: reading them, leaving, and what an admin changes. One row for each e-mail.
import { sql, type RawBuilder } from 'kysely';
import { leftReasons, type LeftReason, type PlaceState } from '../vms/waiting.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { withListLock } from './reservations.ts';
import { isRecent } from './waiting-presence.ts';

export type PlaceRecord = {
  readonly id: string;
  readonly email: string;
  readonly code: string;
  readonly browsers: readonly string[];
  readonly since: Date;
  readonly state: PlaceState;
  readonly leftReason: LeftReason | null;
  /** How many wait before this one. */
  readonly ahead: number;
  readonly missed: number;
  readonly isCalled: boolean;
  readonly reservedVm: string | null;
  readonly reservedUntil: Date | null;
  /** When its page asked last, and whether that is so recent that it need not be written again. */
  readonly presentAt: Date | null;
  readonly isPresent: boolean;
  readonly bestEstimateStep: number | null;
  /** An e-mail is sent when a VM is reserved. */
  readonly wantsMail: boolean;
};

function selectPlaces(db: Db) {
  return db
    .selectFrom('waiting_list as w')
    .leftJoin('waiting_presence as p', 'p.id', 'w.id')
    .leftJoin('vms as v', (join) =>
      join.onRef('v.hostname', '=', 'w.reserved_vm').onRef('v.reserved_for', '=', 'w.id'),
    )
    .select(['w.id', 'w.email', 'w.code', 'w.browsers', 'w.since', 'w.left_at', 'w.left_reason', 'w.missed'])
    .select(['w.called_at', 'w.wants_mail', 'w.reserved_vm', 'v.reserved_until'])
    .select(['p.present_at', 'p.best_estimate_step'])
    .select(sql<boolean>`coalesce(${isRecent('p')}, false)`.as('is_present'))
    .select(
      sql<number>`(select count(*) from waiting_list o where o.left_at is null and o.reserved_vm is null
        and (o.called_at is null, coalesce(o.called_at, now()), o.position, o.id)
          < (w.called_at is null, coalesce(w.called_at, now()), w.position, w.id))`.as('ahead'),
    );
}

type Row = Awaited<ReturnType<ReturnType<typeof selectPlaces>['execute']>>[number];

function readRow(row: Row): PlaceRecord {
  return {
    id: row.id,
    email: row.email,
    code: row.code,
    browsers: row.browsers,
    since: row.since,
    state: row.left_at !== null ? 'left' : row.reserved_vm === null ? 'waiting' : 'reserved',
    leftReason: leftReasons.find((reason) => reason === row.left_reason) ?? null,
    ahead: row.ahead,
    missed: row.missed,
    isCalled: row.called_at !== null,
    reservedVm: row.reserved_vm,
    reservedUntil: row.reserved_until,
    presentAt: row.present_at,
    isPresent: row.is_present,
    bestEstimateStep: row.best_estimate_step,
    wantsMail: row.wants_mail,
  };
}

export async function findPlace(db: Db, id: string): Promise<PlaceRecord | null> {
  const row = await selectPlaces(db).where('w.id', '=', id).executeTakeFirst();
  return row ? readRow(row) : null;
}

/** Whether this browser has the place of this e-mail, or had it and may join again. */
export async function isPlaceOf(
  db: Db,
  { email, browserId }: { readonly email: string; readonly browserId: string },
): Promise<boolean> {
  const row = await db
    .selectFrom('waiting_list')
    .select('id')
    .where('email', '=', email)
    .where(sql<boolean>`browsers @> array[${browserId}]::text[]`)
    .executeTakeFirst();
  return row !== undefined;
}

/** Of a browser with several places: the one for which a VM is reserved, else the one that comes first. */
export async function findPlaceOfBrowser(db: Db, browserId: string): Promise<PlaceRecord | null> {
  const row = await selectPlaces(db)
    .where(sql<boolean>`w.browsers @> array[${browserId}]::text[]`)
    .orderBy(sql`w.left_at is not null, w.reserved_vm is null, w.position`)
    .limit(1)
    .executeTakeFirst();
  return row ? readRow(row) : null;
}

/** Those who wait or have a VM reserved, in the order of the list, with their names on the roster ('' without one). */
export async function listPlaces(db: Db): Promise<(PlaceRecord & { readonly name: string })[]> {
  const rows = await selectPlaces(db)
    .leftJoin('roster as r', 'r.email', 'w.email')
    .select('r.name')
    .where('w.left_at', 'is', null)
    .orderBy(sql`w.called_at nulls last, w.position, w.id`)
    .execute();
  return rows.map((row) => ({ ...readRow(row), name: row.name ?? '' }));
}

/** How many wait for a VM; not those who have one reserved. */
export async function countWaiting(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('waiting_list')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('left_at', 'is', null)
    .where('reserved_vm', 'is', null)
    .executeTakeFirstOrThrow();
  return count;
}

/** The participant does not want the place any more. */
export async function leaveList(db: Db, id: string): Promise<void> {
  await withListLock(db, (trx) => trx.deleteFrom('waiting_list').where('id', '=', id).execute());
}

export type PlaceAction =
  /** The next VM is reserved for this person, present or not. */
  | { readonly kind: 'call' }
  | { readonly kind: 'move'; readonly to: MoveTarget }
  /** Their page says that they are not on the list any more; they may join again. */
  | { readonly kind: 'remove' };
type MoveTarget = 'first' | 'up' | 'down' | 'last';

/** Carries out an admin's action, with its audit event. False where nobody with this id is on the list. */
export async function changePlace(
  db: Db,
  { id, by }: { readonly id: string; readonly by: string },
  action: PlaceAction,
): Promise<boolean> {
  return withListLock(db, async (trx) => {
    const place = await trx
      .selectFrom('waiting_list')
      .select(['email', 'position'])
      .where('id', '=', id)
      .where('left_at', 'is', null)
      .executeTakeFirst();
    if (!place) return false;
    await change(trx, { id, position: place.position }, action);
    const detail = action.kind === 'move' ? `${place.email}: ${action.to}` : place.email;
    await recordAuditEvent(trx, { who: by, what: `waiting-${action.kind}`, detail });
    return true;
  });
}

async function change(
  trx: Db,
  place: { readonly id: string; readonly position: number },
  action: PlaceAction,
): Promise<void> {
  const row = trx.updateTable('waiting_list').where('id', '=', place.id);
  switch (action.kind) {
    case 'call':
      await row
        .set({ called_at: sql<Date>`coalesce(called_at, now())` })
        .where('reserved_vm', 'is', null)
        .execute();
      return;
    case 'remove':
      await sql`update vms set reserved_for = null, reserved_until = null where reserved_for = ${place.id}`.execute(
        trx,
      );
      await row
        .set({ left_at: sql<Date>`now()`, left_reason: 'removed', reserved_vm: null, called_at: null })
        .execute();
      return;
    case 'move':
      await move(trx, place, action.to);
  }
}

/** `up` and `down` change places with the neighbour. */
async function move(
  trx: Db,
  { id, position }: { readonly id: string; readonly position: number },
  to: MoveTarget,
): Promise<void> {
  const set = async (place: string, value: number | RawBuilder<number>): Promise<void> => {
    await trx.updateTable('waiting_list').set({ position: value }).where('id', '=', place).execute();
  };
  if (to === 'last') return set(id, sql<number>`nextval('waiting_list_position')`);
  const neighbour = await trx
    .selectFrom('waiting_list')
    .select(['id', 'position'])
    .where('left_at', 'is', null)
    .where('id', '<>', id)
    .$if(to === 'up', (query) => query.where('position', '<', position))
    .$if(to === 'down', (query) => query.where('position', '>', position))
    .orderBy('position', to === 'up' ? 'desc' : 'asc')
    .executeTakeFirst();
  if (!neighbour) return;
  if (to === 'first') return set(id, Math.min(position, neighbour.position - 1));
  await set(neighbour.id, position);
  await set(id, neighbour.position);
}
