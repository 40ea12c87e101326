// Requests for a VM: claiming one, returning to it, and the PIN for another browser.
import { sql } from 'kysely';
import { pinLockAfter, pinTriesLeft } from '../vms/pin.ts';
import { findAssignment, type AssignmentRecord } from './assignments.ts';
import { claim, SOMEBODY_WAITS, type Claim, type ClaimRow } from './claim.ts';
import type { Db } from './connect.ts';
import { MAX_PICKED, type Locking } from './free-vms.ts';
import { grouped } from './grouped.ts';
import { condition, isFree, isUnreserved } from './predicates.ts';
import { errorCode, LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION } from './errors.ts';

export type VmRequest = Claim & {
  /** The PIN that a participant enters in another browser. */
  readonly givenPin: string | null;
  /** Too many wrong PINs came from the client's network: no further one is looked at for so long. */
  readonly pinWaitSeconds: number;
  readonly bounds: RequestBounds;
  /** False: only an e-mail that has a VM comes back to it. */
  readonly mayClaim: boolean;
};

/** How many live assignments one may have; 0 = any number. */
export type RequestBounds = { readonly perBrowser: number; readonly perAddress: number };

type Found = { readonly id: string; readonly hostname: string; readonly pin: string };
export type VmRequestResult =
  | ({ readonly kind: 'assigned' } & Found)
  | ({
      readonly kind: 'returned';
      /** As it is, where nothing was changed. */
      readonly record?: AssignmentRecord;
    } & Found)
  | { readonly kind: 'none_free' | 'not_admitted' | 'too_many' | 'pin_required' }
  /** The settings are not those of `settingsVersion` any more; nothing was changed. */
  | { readonly kind: 'outdated' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'pin_wrong'; readonly triesLeft: number }
  | { readonly kind: 'pin_locked'; readonly retryAfterSeconds: number };

/** The most browsers of an assignment; the newest are kept. */
const BROWSERS_PER_ASSIGNMENT = 10;
/** How often a claim is tried that found only locked rows, or lost a race with the same e-mail. */
const CLAIM_ATTEMPTS = 5;
const LOCK_TIMEOUT_MS = 2_000;
/** How many requests wait for their group at most: a few seconds of work. */
const MAX_WAITING = 2_000;
/** Used together with a hash of what is counted; no other advisory lock has this number. */
export const BOUND_LOCK = 7_205;

/**
 * Assigns a VM to an e-mail, or returns the one it has. `busy`: the rows stayed locked; try again.
 * @param signal of the client: one that has left before its turn takes nothing, and `NotServed` is thrown
 */
export async function requestVm(db: Db, request: VmRequest, signal?: AbortSignal): Promise<VmRequestResult> {
  if (!request.mayClaim) {
    const returned = await returnToLive(db, { ...request, command: request });
    return returned ?? { kind: 'not_admitted' };
  }
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt++) {
    const row = await (attempt === 0 ? claimFirst(db, request, signal) : claimAlone(db, request, ''));
    if (row === 'retry') continue;
    if (row === 'too_many') return { kind: 'too_many' };
    if (row === 'none_free' || row === 'outdated') return { kind: row };
    if (row.outcome === 'given')
      return { kind: 'assigned', id: row.id, hostname: row.hostname, pin: row.pin };
    const returned =
      (await findUnchanged(db, row.id, request)) ??
      (await returnTo(db, row.id, { ...request, command: request }));
    if (returned !== 'released meanwhile') return returned;
  }
  return { kind: 'busy' };
}

/** `retry`: another request of the same e-mail was faster, or every free row was locked. */
type Claimed = ClaimRow | 'none_free' | 'outdated' | 'retry' | 'too_many';

/**
 * The first attempt skips locked rows. Later ones wait for a row that is only locked (for example by a report), so that "full" is
 * never wrong. Requests that have to be counted are not grouped.
 */
function claimFirst(db: Db, request: VmRequest, signal: AbortSignal | undefined): Promise<Claimed> {
  const { perBrowser, perAddress } = request.bounds;
  return perBrowser === 0 && perAddress === 0
    ? claimInGroup(db, request, signal)
    : claimAlone(db, request, 'skip locked');
}

const claimInGroup = grouped<VmRequest, Claimed>({
  name: 'claims',
  inHalves: true,
  keyOf: ({ email }) => email,
  maxSize: MAX_PICKED,
  maxWaiting: MAX_WAITING,
  together: claimSkipping,
  alone: (db, request) => claimAlone(db, request, 'skip locked'),
});

async function claimAlone(db: Db, request: VmRequest, locking: Locking): Promise<Claimed> {
  try {
    return await db.transaction().execute(async (trx) => {
      await sql`select set_config('lock_timeout', ${`${LOCK_TIMEOUT_MS}ms`}, true)`.execute(trx);
      if (await isAtBound(trx, request)) return 'too_many';
      const [row = 'retry'] = await (locking === ''
        ? claim(trx, [request], locking).then(([found]) => [found ?? 'none_free'] as const)
        : claimSkipping(trx, [request]));
      return row;
    });
  } catch (error) {
    const code = errorCode(error);
    if (code === UNIQUE_VIOLATION || code === LOCK_NOT_AVAILABLE) return 'retry';
    throw error;
  }
}

async function claimSkipping(db: Db, requests: readonly VmRequest[]): Promise<Claimed[]> {
  const rows = await claim(db, requests, 'skip locked');
  const without = requests.filter((_, index) => rows[index] === null);
  const lucky = without.length === 0 ? new Set() : await findClaimable(db, without);
  return rows.map((row, index) => row ?? (lucky.has(requests[index]?.email) ? 'retry' : 'none_free'));
}

/**
 * Whether this browser or this address has as many VMs as it may have; an e-mail that has one comes back to it. Where a bound
 * is configured, the requests that it concerns are counted one after another, until each has committed.
 */
async function isAtBound(
  trx: Db,
  { bounds: { perBrowser, perAddress }, network, browserId, email }: VmRequest,
): Promise<boolean> {
  // The address first: everybody takes both locks in this order.
  const counted = [
    ...(perAddress > 0 ? [`address ${network}`] : []),
    ...(perBrowser > 0 ? [`browser ${browserId}`] : []),
  ];
  for (const name of counted)
    await sql`select pg_advisory_xact_lock(${BOUND_LOCK}::int, hashtext(${name}))`.execute(trx);
  if (counted.length === 0) return false;
  const { rows } = await sql<{ at_bound: boolean }>`
    select not exists (select from assignments where email = ${email} and released_at is null)
      and ((${perBrowser}::int > 0 and ${perBrowser}::int <= (select count(*) from assignments
          where released_at is null and browsers @> array[${browserId}]::text[]))
        or (${perAddress}::int > 0 and ${perAddress}::int <= (select count(*) from assignments
          where released_at is null and requested_network = ${network}))) as at_bound`.execute(trx);
  return rows[0]?.at_bound === true;
}

/** Those for whom there is a VM, locked or not: a free one or, for who is on the waiting list, the reserved one. */
async function findClaimable(db: Db, requests: readonly VmRequest[]): Promise<Set<string>> {
  const { rows } = await sql<{ email: string }>`
    select given.email
    from unnest(${requests.map(({ email }) => email)}::text[], ${requests.map(({ browserId }) => browserId)}::text[])
      as given (email, browser_id)
      left join waiting_list w on w.email = given.email and w.left_at is null
      left join vms v on v.hostname = w.reserved_vm and v.reserved_for = w.id
    where case when w.id is null
      then not ${condition(SOMEBODY_WAITS)} and exists (select from vms where ${condition(isUnreserved())})
      else given.browser_id = any(w.browsers) and v.reserved_until > now() and ${condition(isFree('v'))} end`.execute(
    db,
  );
  return new Set(rows.map(({ email }) => email));
}

/** Lets another browser open the assignment of this e-mail, with its PIN. `unknown`: the e-mail has no VM. */
export async function returnToVm(
  db: Db,
  { email, ...request }: Pick<VmRequest, 'email' | 'browserId' | 'givenPin' | 'pinWaitSeconds'>,
): Promise<VmRequestResult | { readonly kind: 'unknown' }> {
  return (await returnToLive(db, { email, ...request, command: null })) ?? { kind: 'unknown' };
}

/** Null: the e-mail has no VM. */
async function returnToLive(
  db: Db,
  { email, ...request }: Returning & Pick<VmRequest, 'email'>,
): Promise<VmRequestResult | null> {
  const live = await db
    .selectFrom('assignments')
    .select('id')
    .where('email', '=', email)
    .where('released_at', 'is', null)
    .executeTakeFirst();
  const returned = live ? await returnTo(db, live.id, request) : 'released meanwhile';
  return returned === 'released meanwhile' ? null : returned;
}

/** A browser that comes back with the command that it sent: one read, without a lock. Null where anything may change. */
async function findUnchanged(
  db: Db,
  id: string,
  { browserId, crdCommand }: Pick<VmRequest, 'browserId' | 'crdCommand'>,
): Promise<Extract<VmRequestResult, { readonly kind: 'returned' }> | null> {
  const record = await findAssignment(db, id);
  if (record?.releasedAt !== null || !record.browsers.includes(browserId)) return null;
  if (record.crdCommand !== crdCommand) return null;
  return { kind: 'returned', id, hostname: record.hostname, pin: record.pin, record };
}

type Returning = Pick<VmRequest, 'browserId' | 'givenPin' | 'pinWaitSeconds'> & {
  /** Null leaves the command as it is. */
  readonly command: Pick<VmRequest, 'crdCommand' | 'channel'> | null;
};

async function returnTo(
  db: Db,
  id: string,
  { command, ...request }: Returning,
): Promise<VmRequestResult | 'released meanwhile'> {
  return db.transaction().execute(async (trx) => {
    const live = await trx
      .selectFrom('assignments')
      .select(['id', 'hostname', 'pin', 'browsers', 'crd_command', 'ended_browsers', 'pin_failures'])
      .select(sql<boolean>`coalesce(browser_allowed_until > now(), false)`.as('browser_allowed'))
      .select(sql<number>`ceil(extract(epoch from pin_locked_until - now()))::int`.as('locked_seconds'))
      .where('id', '=', id)
      .where('released_at', 'is', null)
      .forUpdate()
      .executeTakeFirst();
    if (!live) return 'released meanwhile';
    // A browser that an admin has ended does not profit from what the admin allows to another one; nor does one without a
    // command, since the command is withheld from then on.
    const isAllowed =
      command !== null && live.browser_allowed && !live.ended_browsers.includes(request.browserId);
    const isNew = !live.browsers.includes(request.browserId);
    if (isNew) {
      const refused = isAllowed ? null : await checkPin(trx, live, request);
      if (refused) return refused;
      const browsers = [...live.browsers, request.browserId].slice(-BROWSERS_PER_ASSIGNMENT);
      await trx
        .updateTable('assignments')
        .set({ browsers, pin_failures: 0, pin_locked_until: null, browser_allowed_until: null })
        .where('id', '=', id)
        .execute();
    }
    const isWithheld = isNew && isAllowed;
    if (command && (live.crd_command !== command.crdCommand || isWithheld))
      await replaceCommand(trx, live, command);
    return { kind: 'returned', id, hostname: live.hostname, pin: live.pin };
  });
}

type LivePin = {
  readonly id: string;
  readonly pin: string;
  readonly pin_failures: number;
  readonly locked_seconds: number | null;
};

/** Null if the PIN is right. */
async function checkPin(
  trx: Db,
  live: LivePin,
  { givenPin, pinWaitSeconds }: Pick<VmRequest, 'givenPin' | 'pinWaitSeconds'>,
): Promise<VmRequestResult | null> {
  if (live.locked_seconds !== null && live.locked_seconds > 0) {
    return { kind: 'pin_locked', retryAfterSeconds: live.locked_seconds };
  }
  if (givenPin === null) return { kind: 'pin_required' };
  if (pinWaitSeconds > 0) return { kind: 'pin_locked', retryAfterSeconds: pinWaitSeconds };
  if (givenPin === live.pin) return null;
  const failures = live.pin_failures + 1;
  const lockMinutes = pinLockAfter(failures);
  await trx
    .updateTable('assignments')
    .set({
      pin_failures: failures,
      pin_locked_until: lockMinutes > 0 ? sql<Date>`now() + make_interval(mins => ${lockMinutes})` : null,
    })
    .where('id', '=', live.id)
    .execute();
  return lockMinutes > 0
    ? { kind: 'pin_locked', retryAfterSeconds: lockMinutes * 60 }
    : { kind: 'pin_wrong', triesLeft: pinTriesLeft(failures) };
}

/** A new command goes to the same VM; delivery and outcome start again. */
async function replaceCommand(
  trx: Db,
  live: { readonly id: string; readonly hostname: string; readonly pin: string },
  request: Pick<VmRequest, 'crdCommand' | 'channel'>,
): Promise<void> {
  await trx
    .updateTable('assignments')
    .set((eb) => ({
      crd_command: request.crdCommand,
      command_number: eb('command_number', '+', 1),
      command_at: sql<Date>`now()`,
      delivered_at: null,
      reassigned_at: null,
      acknowledged_at: null,
      outcome: null,
      outcome_message: null,
    }))
    .where('id', '=', live.id)
    .execute();
  const payload = JSON.stringify({ HostName: live.hostname, CrdCommand: request.crdCommand, Pin: live.pin });
  await sql`select pg_notify(${request.channel}, ${payload})`.execute(trx);
}
