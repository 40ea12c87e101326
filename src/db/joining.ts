// Joining the waiting list, and coming back to a place. Those who join in one moment are one statement and one commit: when all
// machines are taken, the rest of a workshop comes at once.
import { sql, type RawBuilder } from 'kysely';
import { pinLockAfter, pinTriesLeft } from '../vms/pin.ts';
import type { Db } from './connect.ts';
import { BOUNDED, grouped } from './grouped.ts';
import { condition, isUnreserved } from './predicates.ts';
import { BOUND_LOCK } from './request.ts';
import type { PlaceRecord } from './waiting-list.ts';
import { notePresence } from './waiting-presence.ts';

export type Joining = {
  readonly id: string;
  readonly email: string;
  readonly browserId: string;
  /** Of a new place. */
  readonly code: string;
  /** What the participant entered to come back. */
  readonly givenCode: string | null;
  /** Too many wrong codes came from the client's network: no further one is looked at for so long. */
  readonly codeWaitSeconds: number;
  /** How many places one browser may have; 0 = any number. */
  readonly perBrowser: number;
  /** Whether an e-mail is wanted when a VM is reserved; absent: the choice stays, and a new place wants none. */
  readonly wantsMail?: boolean | undefined;
};

export type JoinResult =
  | {
      readonly kind: 'joined' | 'same';
      readonly id: string;
      /** As it is, where it is new and no VM is free. */
      readonly place?: PlaceRecord;
    }
  | { readonly kind: 'code_required' | 'full' | 'too_many' }
  | PinRefusal;
/** `unknown`: nobody with this e-mail is on the list. */
export type OpenResult =
  | { readonly kind: 'open'; readonly id: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'code_required' }
  | PinRefusal;
type PinRefusal =
  | { readonly kind: 'pin_wrong'; readonly triesLeft: number }
  | { readonly kind: 'pin_locked'; readonly retryAfterSeconds: number };

/** The most browsers of a place; the newest are kept. */
const BROWSERS_PER_PLACE = 10;
/** How many people can wait. */
const MAX_PLACES = 2_000;
/** How many join in one statement, and how many wait for theirs at most. */
const MAX_JOINING = 200;

/** Joins at the end, or finds the place of this e-mail where it is. Who has left joins at the end again. */
export async function joinList(db: Db, joining: Joining): Promise<JoinResult> {
  return joinInGroup(db, joining);
}

const joinInGroup = grouped<Joining, JoinResult>({
  name: 'waiting list',
  keyOf: ({ email }) => email,
  maxSize: MAX_JOINING,
  maxWaiting: MAX_PLACES,
  together: joinTogether,
  alone: joinAlone,
});

type NewRow = {
  readonly id: string;
  readonly since: Date;
  readonly ahead: number;
  readonly is_vm_free: boolean;
};

/**
 * New places, in the order of the group. Undefined: there is one of this e-mail already, or no more are taken. They are inserted in the order of
 * e-mails, so that two allocators never wait for each other.
 */
async function joinTogether(db: Db, joining: readonly Joining[]): Promise<(JoinResult | undefined)[]> {
  const { rows } = await sql<NewRow>`
    with given as (
      select given.*, row_number() over (partition by browser_id order by place) as of_browser from unnest(
        ${joining.map(({ id }) => id)}::uuid[], ${joining.map(({ email }) => email)}::text[],
        ${joining.map(({ browserId }) => browserId)}::text[], ${joining.map(({ code }) => code)}::text[],
        ${joining.map(({ wantsMail }) => wantsMail ?? false)}::boolean[],
        ${joining.map(({ perBrowser }) => perBrowser)}::int[]
      ) with ordinality as given (id, email, browser_id, code, wants_mail, per_browser, place)${sql.raw(BOUNDED)}
    ), waiting as (
      select count(*) as places, count(*) filter (where reserved_vm is null) as ahead from waiting_list where left_at is null
    ), numbered as (
      select first.*, nextval('waiting_list_position') as position from (
        select given.* from given, waiting
        where not exists (select from waiting_list w where w.email = given.email) and places + place <= ${MAX_PLACES}
          and (per_browser = 0 or of_browser + ${placesOf(sql`given.browser_id`)} <= per_browser)
        order by place
      ) as first
    ), joined as (
      insert into waiting_list (id, email, browsers, code, wants_mail, position)
      select id, email, array[browser_id], code, wants_mail, position from numbered order by email
      on conflict (email) do nothing returning id, since, position
    ), present as (
      insert into waiting_presence (id) select id from joined
    )
    select id, since, (ahead + row_number() over (order by position) - 1)::int as ahead,
      exists (select from vms where ${condition(isUnreserved())}) as is_vm_free
    from joined, waiting`.execute(db);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return joining.map((one) => {
    const row = byId.get(one.id);
    return row && { kind: 'joined', id: row.id, ...(!row.is_vm_free && { place: newPlace(one, row) }) };
  });
}

function newPlace({ email, code, browserId, wantsMail }: Joining, { id, since, ahead }: NewRow): PlaceRecord {
  return {
    ...{ id, email, code, since, ahead },
    browsers: [browserId],
    state: 'waiting',
    leftReason: null,
    missed: 0,
    isCalled: false,
    reservedVm: null,
    reservedUntil: null,
    presentAt: since,
    isPresent: true,
    bestEstimateStep: null,
    wantsMail: wantsMail ?? false,
  };
}

/** How many places this browser has. */
function placesOf(browserId: RawBuilder<unknown>): RawBuilder<number> {
  return sql<number>`(select count(*)::int from waiting_list w
    where w.left_at is null and w.browsers @> array[${browserId}::text])`;
}

/** Those who join from one browser are counted one after another, until each has committed. */
async function hasTooManyPlaces(
  trx: Db,
  { browserId, perBrowser }: Pick<Joining, 'browserId' | 'perBrowser'>,
): Promise<boolean> {
  if (perBrowser === 0) return false;
  await sql`select pg_advisory_xact_lock(${BOUND_LOCK}::int, hashtext(${`places ${browserId}`}))`.execute(
    trx,
  );
  const { rows } = await sql<{ count: number }>`select ${placesOf(sql`${browserId}`)} as count`.execute(trx);
  return (rows[0]?.count ?? 0) >= perBrowser;
}

/** Who has left would take a place again. */
async function isWaitingPlace(trx: Db, id: string): Promise<boolean> {
  const row = await trx
    .selectFrom('waiting_list')
    .select('id')
    .where('id', '=', id)
    .where('left_at', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

async function joinAlone(db: Db, joining: Joining): Promise<JoinResult> {
  return db.transaction().execute(async (trx): Promise<JoinResult> => {
    const { id, email, browserId, code, wantsMail } = joining;
    const isAtBound = await hasTooManyPlaces(trx, joining);
    const { rows } = await sql<{ id: string }>`
      insert into waiting_list (id, email, browsers, code, wants_mail)
      select ${id}, ${email}, array[${browserId}], ${code}, ${wantsMail ?? false}::boolean
      where (select count(*) from waiting_list where left_at is null) < ${MAX_PLACES} and not ${isAtBound}::boolean
      on conflict (email) do nothing returning id`.execute(trx);
    if (rows.length > 0) {
      await notePresence(trx, { id, step: null });
      return { kind: 'joined', id };
    }
    const found = await openPlace(trx, joining);
    if (found.kind === 'unknown') return { kind: isAtBound ? 'too_many' : 'full' };
    if (found.kind !== 'open') return found;
    if (isAtBound && !(await isWaitingPlace(trx, found.id))) return { kind: 'too_many' };
    const again = await trx
      .updateTable('waiting_list')
      .set({
        left_at: null,
        left_reason: null,
        missed: 0,
        position: sql<number>`nextval('waiting_list_position')`,
        since: sql<Date>`now()`,
      })
      .where('id', '=', found.id)
      .where('left_at', 'is not', null)
      .executeTakeFirst();
    if (wantsMail !== undefined)
      await trx
        .updateTable('waiting_list')
        .set({ wants_mail: wantsMail })
        .where('id', '=', found.id)
        .execute();
    await notePresence(trx, { id: found.id, step: null });
    return { kind: again.numUpdatedRows > 0n ? 'joined' : 'same', id: found.id };
  });
}

/** Opens the place of this e-mail in another browser, with its code. */
export async function returnToPlace(
  db: Db,
  returning: Pick<Joining, 'email' | 'browserId' | 'givenCode' | 'codeWaitSeconds'>,
): Promise<OpenResult> {
  return db.transaction().execute((trx) => openPlace(trx, returning));
}

async function openPlace(
  trx: Db,
  {
    email,
    browserId,
    givenCode,
    codeWaitSeconds,
  }: Pick<Joining, 'email' | 'browserId' | 'givenCode' | 'codeWaitSeconds'>,
): Promise<OpenResult> {
  const place = await trx
    .selectFrom('waiting_list')
    .select(['id', 'code', 'browsers', 'code_failures'])
    .select(sql<number | null>`ceil(extract(epoch from code_locked_until - now()))::int`.as('locked_seconds'))
    .where('email', '=', email)
    .forUpdate()
    .executeTakeFirst();
  if (!place) return { kind: 'unknown' };
  if (place.browsers.includes(browserId)) return { kind: 'open', id: place.id };
  if (place.locked_seconds !== null && place.locked_seconds > 0)
    return { kind: 'pin_locked', retryAfterSeconds: place.locked_seconds };
  if (givenCode === null) return { kind: 'code_required' };
  if (codeWaitSeconds > 0) return { kind: 'pin_locked', retryAfterSeconds: codeWaitSeconds };
  const isRight = givenCode === place.code;
  const failures = isRight ? 0 : place.code_failures + 1;
  const lockMinutes = isRight ? 0 : pinLockAfter(failures);
  await trx
    .updateTable('waiting_list')
    .set({
      code_failures: failures,
      code_locked_until: lockMinutes > 0 ? sql<Date>`now() + make_interval(mins => ${lockMinutes})` : null,
      ...(isRight && { browsers: [...place.browsers, browserId].slice(-BROWSERS_PER_PLACE) }),
    })
    .where('id', '=', place.id)
    .execute();
  if (isRight) return { kind: 'open', id: place.id };
  return lockMinutes > 0
    ? { kind: 'pin_locked', retryAfterSeconds: lockMinutes * 60 }
    : { kind: 'pin_wrong', triesLeft: pinTriesLeft(failures) };
}
