// The actions of admins on one VM, each in one transaction with its audit event.
import { sql } from 'kysely';
import { readVmStatus, refuses } from '../vms/lifecycle.ts';
import { isGpuUnhealthy, readGpuHealth } from '../vms/status.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import { freeVmsSql } from './free-vms.ts';
import { condition, isReleased } from './predicates.ts';
import { recordEvent } from './transition.ts';

/** The VM, and the admin who acts. */
export type VmAction = { readonly hostname: string; readonly by: string };

/** A part of an operation on several VMs, for the audit. */
type PartOfOperation = { readonly operationId?: string; readonly detail?: string };

export type LiveAssignment = { readonly id: string; readonly email: string };

/** How an assignment is closed to the browsers that have it, and opened to the next one. */
export type Opening = {
  readonly pin: string;
  /** How long the next browser needs no PIN. */
  readonly windowSeconds: number;
};

/** Those who lost access. */
export type Ended = { readonly browsers: number; readonly requestedFrom: string | null };

/**
 * Ends the browsers of the assignment and gives it a new PIN: a stranger may have requested it first. For
 * `windowSeconds`, the next other browser needs no PIN. Null if the VM is not assigned.
 */
export async function allowBrowser(
  db: Db,
  { hostname, by }: VmAction,
  opening: Opening,
): Promise<(LiveAssignment & { readonly ended: Ended }) | null> {
  return db.transaction().execute(async (trx) => {
    const live = await lockLive(trx, hostname);
    if (!live) return null;
    const ended = await endBrowsers(trx, live.id, opening);
    const detail = `${live.email}; ${describeEnded(ended)}`;
    await recordAuditEvent(trx, { who: by, what: 'allow-browser', detail, hostname });
    return { ...live, ended };
  });
}

/** A part of a sentence. */
export function describeEnded({ browsers, requestedFrom }: Ended): string {
  const count = browsers === 1 ? '1 browser has' : `${browsers} browsers have`;
  return `${count} lost access${requestedFrom === null ? '' : `, requested from ${requestedFrom}`}`;
}

/** A command that nobody has confirmed is not delivered any more: it may be a stranger's. */
async function endBrowsers(trx: Db, id: string, { pin, windowSeconds }: Opening): Promise<Ended> {
  const { rows } = await sql<Ended>`
    with before as (select id, cardinality(browsers) as browsers from assignments where id = ${id})
    update assignments a set browsers = '{}', ended_browsers = a.ended_browsers || a.browsers, pin = ${pin},
      pin_failures = 0, pin_locked_until = null,
      browser_allowed_until = now() + make_interval(secs => ${windowSeconds}::float8),
      reassigned_at = case when acknowledged_at is null then clock_timestamp() else reassigned_at end
    from before where a.id = before.id
    returning before.browsers, a.requested_from as "requestedFrom"`.execute(trx);
  return rows[0] ?? { browsers: 0, requestedFrom: null };
}

export type Moved =
  | { readonly kind: 'moved'; readonly email: string; readonly to: string }
  | { readonly kind: 'not_assigned' | 'none_free' };

export type Move = VmAction & {
  /** A new id for the released copy of the assignment, which stays on the old VM. */
  readonly releasedCopyId: string;
  /** The NOTIFY channel. */
  readonly channel: string;
  /** Also ends the browsers that have the assignment; null: they keep it. */
  readonly opening: Opening | null;
};

/** Moves the assignment to a free VM, with a command that has not been delivered yet. */
export async function reassign(db: Db, move: Move): Promise<Moved> {
  return db.transaction().execute(async (trx): Promise<Moved> => {
    const { hostname, by } = move;
    const live = await lockLive(trx, hostname);
    if (!live) return { kind: 'not_assigned' };
    const to = await lockFree(trx);
    if (to === null) return { kind: 'none_free' };
    await keepReleasedCopy(trx, { ...move, assignmentId: live.id });
    const ended = move.opening && (await endBrowsers(trx, live.id, move.opening));
    await attach(trx, { ...move, assignmentId: live.id, to });
    const note = ended ? `; ${describeEnded(ended)}` : '';
    await recordAuditEvent(trx, {
      who: by,
      what: 'reassign',
      detail: `${live.email} → ${to}${note}`,
      hostname,
    });
    await recordAuditEvent(trx, {
      who: by,
      what: 'reassign',
      detail: `${live.email} ← ${hostname}`,
      hostname: to,
    });
    return { kind: 'moved', email: live.email, to };
  });
}

/** Locks the VM before its assignment, in the same order as a claim and a release. */
export async function lockLive(trx: Db, hostname: string): Promise<LiveAssignment | null> {
  await sql`select from vms where hostname = ${hostname} for no key update`.execute(trx);
  const live = await trx
    .selectFrom('assignments')
    .select(['id', 'email'])
    .where('hostname', '=', hostname)
    .where('released_at', 'is', null)
    .forUpdate()
    .executeTakeFirst();
  return live ?? null;
}

/** By the rules of a claim. A locked row is probably being claimed, so it does not count as free. */
async function lockFree(trx: Db): Promise<string | null> {
  const { rows } = await sql<{ hostname: string }>`${sql.raw(freeVmsSql('1', 'skip locked'))}`.execute(trx);
  return rows[0]?.hostname ?? null;
}

type Leaving = Move & { readonly assignmentId: string };

/** The old VM keeps a released copy of the assignment, which says whose files are on it until its reset. */
async function keepReleasedCopy(trx: Db, { hostname, releasedCopyId, assignmentId }: Leaving): Promise<void> {
  await sql`
    insert into assignments
    select copy.* from assignments a, jsonb_populate_record(a, jsonb_build_object(
      'id', ${releasedCopyId}::text, 'released_at', clock_timestamp(), 'revision', nextval('vms_revision'), 'browsers', '[]'::jsonb,
      'pin_failures', 0, 'pin_locked_until', null, 'browser_allowed_until', null, 'reassigned_at', null)) copy
    where a.id = ${assignmentId}`.execute(trx);
  await sql`update vms set assignment_id = ${releasedCopyId} where hostname = ${hostname}`.execute(trx);
  await recordEvent(trx, 'reassign', [hostname]);
}

/** A command that no VM has fetched is delivered to this one; any other is used up. */
async function attach(trx: Db, move: Leaving & { readonly to: string }): Promise<void> {
  const { assignmentId, to, channel } = move;
  await sql`
    update assignments set hostname = ${to}, assigned_at = clock_timestamp(),
      reassigned_at = case when delivered_at is null and reassigned_at is null then null else clock_timestamp() end,
      delivered_at = null, acknowledged_at = null, outcome = null, outcome_message = null
    where id = ${assignmentId}`.execute(trx);
  await sql`update vms set assignment_id = ${assignmentId} where hostname = ${to}`.execute(trx);
  await sql`
    select pg_notify(${channel},
      json_build_object('HostName', hostname, 'CrdCommand', crd_command, 'Pin', pin)::text)
    from assignments where id = ${assignmentId} and reassigned_at is null`.execute(trx);
}

/**
 * Clears an error, a silence, a GPU warning or that two machines report; a VM with a participant's files becomes `recycling`. A healthy VM is not
 * changed and not audited. False if there is no such VM.
 */
export async function markHealthy(db: Db, { hostname, by }: VmAction): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const before = await trx
      .selectFrom('vms')
      .select(['status', 'gpu_health', 'twin_since'])
      .where('hostname', '=', hostname)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (!before) return false;
    const gpuIsUnhealthy = isGpuUnhealthy({ gpuHealth: readGpuHealth(before.gpu_health ?? '') });
    if (gpuIsUnhealthy)
      await trx.updateTable('vms').set({ gpu_health: null }).where('hostname', '=', hostname).execute();
    if (before.twin_since !== null) await forgetTwin(trx, hostname);
    const unreset = condition(isReleased('v'));
    const changed = [
      ...(await recordEvent(trx, 'mark-healthy-unreset', [hostname], { where: unreset })),
      ...(await recordEvent(trx, 'mark-healthy', [hostname])),
    ];
    const cleared = [
      ...(changed.length > 0 ? [before.status] : []),
      ...(gpuIsUnhealthy ? ['GPU'] : []),
      ...(before.twin_since === null ? [] : ['two machines']),
    ];
    if (cleared.length === 0) return true;
    const detail = cleared.join(', ');
    await recordAuditEvent(trx, { who: by, what: 'mark-healthy', detail, hostname });
    return true;
  });
}

/** From now on, one machine is believed to report; the other one is noticed when the boot id changes back and forth again. */
async function forgetTwin(trx: Db, hostname: string): Promise<void> {
  const at = sql<boolean>`hostname = ${hostname}`;
  await trx.updateTable('vms').set({ twin_since: null, twin_addresses: null }).where(at).execute();
  await trx.updateTable('vm_presence').set({ earlier_boots: [] }).where(at).execute();
}

/** Makes the VM `initializing` before its restart. Null if it is being destroyed or does not exist. */
export async function beginRestart(
  db: Db,
  { hostname, by, operationId, detail = '' }: VmAction & PartOfOperation,
): Promise<{ readonly status: string } | null> {
  const begin = async (trx: Db) => {
    const before = await trx
      .selectFrom('vms')
      .select('status')
      .where('hostname', '=', hostname)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (!before) return null;
    await recordEvent(trx, 'restart', [hostname]);
    if (refuses('restart', readVmStatus(before.status))) return null;
    await recordAuditEvent(trx, {
      who: by,
      what: 'restart',
      detail,
      hostname,
      operationId: operationId ?? null,
    });
    return before;
  };
  return db.isTransaction ? begin(db) : db.transaction().execute(begin);
}

/** The restart failed: restores the status, unless the VM has reported another one in the meantime. */
export async function undoRestart(db: Db, hostname: string, status: string): Promise<void> {
  await recordEvent(db, 'restart-failed', [hostname], { before: sql`${status}` });
}
