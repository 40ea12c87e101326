// Reports of VMs: status, in-use, GPU, heartbeat. A report without news writes nothing to `vms`, so that reports do not
// lock the rows that a claim needs. What several VMs report in one moment is one statement.
import { sql } from 'kysely';
import { changes, readVmStatus, type ReportedStatus } from '../vms/lifecycle.ts';
import type { GpuHealth, Provider } from '../vms/status.ts';
import { recordAuditEvent } from './audit.ts';
import type { Db } from './connect.ts';
import type { Locking } from './free-vms.ts';
import { grouped, ofReports } from './grouped.ts';
import { recordSeen, type Heartbeat, type MadeAt, type Seen } from './seen.ts';
import { hasTombstone } from './tombstones.ts';
import { addVms, recordEvent, statusChangedBy, transition } from './transition.ts';

/** `late`: the VM was destroyed within the last hour; nothing was changed. */
export type ReportResult = 'recorded' | 'late' | 'unknown_vm';

type StatusReport = {
  readonly hostname: string;
  readonly status: ReportedStatus;
  /** Undefined: the VM does not say. */
  readonly madeAt?: MadeAt | undefined;
};
type ValueReport = { readonly hostname: string } & (
  { readonly inUse: boolean; readonly gpu: null } | { readonly inUse: null; readonly gpu: GpuHealth }
);

/**
 * Records a status; an unknown hostname becomes a row of this provider, unless there are `most` VMs already that nobody
 * launched or registered.
 */
export async function reportStatus(
  db: Db,
  { provider, ...report }: StatusReport & { readonly provider: Provider },
  most = Infinity,
): Promise<'recorded' | 'late' | 'too_many'> {
  const { hostname, status } = report;
  // A late report does not show that the VM is still there.
  const change = async (): Promise<boolean> =>
    (await changeStatus(db, report)) === 'late' || (await recordSeen(db, hostname)) !== null;
  if (await change()) return 'recorded';
  if (await hasTombstone(db, hostname)) return 'late';
  if ((await countReported(db)) >= most) return 'too_many';
  await addVms(db, `report-${status}`, [{ hostname, provider }]);
  await change();
  return 'recorded';
}

/** Those without a token: a launch or a registration gives a VM one. */
async function countReported(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('vms')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('token_hash', 'is', null)
    .executeTakeFirstOrThrow();
  return count;
}

/** `late`: a newer report came first. `done`: the report has its effect, or there is no such VM. */
type StatusChange = 'done' | 'late';

const changeStatus = grouped<StatusReport, StatusChange>({
  name: 'statuses',
  keyOf: ({ hostname }) => hostname,
  ...ofReports,
  together: (db, reports) => changeStatuses(db, reports, 'skip locked'),
  alone: async (db, report) => (await changeStatuses(db, [report], ''))[0] ?? 'done',
});

/**
 * The report about `v` was held up on its way: it, or a newer one of the same boot, has arrived already. Boots have no order: an unknown
 * one may be an earlier one. A value, and not `exists`: that would become a join, which is not repeated when `v` has changed while the
 * statement waited for it.
 */
const IS_LATE = sql<boolean>`coalesce((
  select given.boot_id = v.reported_boot_id and given.uptime_ms <= v.reported_uptime_ms
  from given where given.hostname = v.hostname), false)`;
const REPORTED = sql`(reported_boot_id, reported_uptime_ms) = (
  select coalesce(given.boot_id, v.reported_boot_id), coalesce(given.uptime_ms, v.reported_uptime_ms)
  from given where given.hostname = v.hostname)`;

/** Undefined: the row is locked. No state refuses a report, so that there is no refusal to log. */
async function changeStatuses(
  db: Db,
  reports: readonly StatusReport[],
  locking: Locking,
): Promise<(StatusChange | undefined)[]> {
  const statuses = [...new Set(reports.map(({ status }) => status))];
  const updates = statuses.map((status, index) => {
    const due = sql`v.hostname in (select hostname from given where status = ${status}) and not ${IS_LATE}`;
    const news = transition(`report-${status}`, { where: due, locking, set: REPORTED });
    // Older reports are late from now on.
    const noNews = sql`
      update vms v set ${REPORTED} from (
        select v.hostname from vms v where not ${statusChangedBy(`report-${status}`)} and ${due}
          and (select boot_id from given where given.hostname = v.hostname) is not null
        order by v.hostname for no key update ${sql.raw(locking)}
      ) as due where v.hostname = due.hostname returning v.hostname`;
    return sql`${sql.ref(`news_${index}`)} as (${news}), ${sql.ref(`no_news_${index}`)} as (${noNews})`;
  });
  const settled = statuses.map(
    (_, index) =>
      sql`select hostname from ${sql.ref(`news_${index}`)} union all select hostname from ${sql.ref(`no_news_${index}`)}`,
  );
  const { rows } = await sql<{ hostname: string; status: string; isSettled: boolean; isLate: boolean }>`
    with given as (
      select * from unnest(${reports.map(({ hostname }) => hostname)}::text[], ${reports.map(({ status }) => status)}::text[],
        ${reports.map(({ madeAt }) => madeAt?.bootId ?? null)}::text[], ${reports.map(({ madeAt }) => madeAt?.uptimeMs ?? null)}::bigint[])
        as given (hostname, status, boot_id, uptime_ms)
    ), ${sql.join(updates)}
    select v.hostname, v.status, settled.hostname is not null as "isSettled", ${IS_LATE} as "isLate"
    from given join vms v on v.hostname = given.hostname
    left join (${sql.join(settled, sql` union all `)}) as settled on settled.hostname = v.hostname`.execute(
    db,
  );
  const found = new Map(rows.map((row) => [row.hostname, row]));
  return reports.map(({ hostname, status, madeAt }) => {
    const row = found.get(hostname);
    if (!row || row.isSettled) return 'done';
    if (row.isLate) return 'late';
    const isLocked = madeAt !== undefined || changes(`report-${status}`, readVmStatus(row.status));
    return isLocked ? undefined : 'done';
  });
}

/** The provider has given up the VM: it becomes `error`, but does not count as seen. */
export async function markFailed(db: Db, hostname: string): Promise<void> {
  await recordEvent(db, 'give-up', [hostname]);
}

export async function reportInUse(db: Db, hostname: string, inUse: boolean): Promise<ReportResult> {
  await changeValue(db, { hostname, inUse, gpu: null });
  return seenOrLate(db, hostname);
}

export async function reportGpuHealth(db: Db, hostname: string, gpu: GpuHealth): Promise<ReportResult> {
  await changeValue(db, { hostname, inUse: null, gpu });
  return seenOrLate(db, hostname);
}

const changeValue = grouped<ValueReport, 'done'>({
  name: 'in-use and GPU',
  keyOf: ({ hostname }) => hostname,
  ...ofReports,
  together: (db, reports) => changeValues(db, reports, 'skip locked'),
  alone: async (db, report) => {
    await changeValues(db, [report], '');
    return 'done';
  },
});

/** Undefined: the row is locked. */
async function changeValues(
  db: Db,
  reports: readonly ValueReport[],
  locking: Locking,
): Promise<('done' | undefined)[]> {
  const news = sql`(given.in_use is not null and v.in_use is distinct from given.in_use
    or given.gpu is not null and v.gpu_health is distinct from given.gpu)`;
  const { rows } = await sql<{ hostname: string }>`
    with given as (
      select * from unnest(${reports.map(({ hostname }) => hostname)}::text[], ${reports.map(({ inUse }) => inUse)}::boolean[],
        ${reports.map(({ gpu }) => gpu)}::text[]) as given (hostname, in_use, gpu)
    ), held as (
      select v.hostname, given.in_use, given.gpu from given join vms v on v.hostname = given.hostname
      where ${news} order by v.hostname for no key update of v ${sql.raw(locking)}
    ), changed as (
      update vms v set in_use = coalesce(held.in_use, v.in_use), gpu_health = coalesce(held.gpu, v.gpu_health),
        gpu_since = case when held.gpu is null then v.gpu_since else now() end
      from held where v.hostname = held.hostname
      returning v.hostname
    )
    select v.hostname from given join vms v on v.hostname = given.hostname
    where ${news} and v.hostname not in (select hostname from changed)`.execute(db);
  const locked = new Set(rows.map(({ hostname }) => hostname));
  return reports.map(({ hostname }) => (locked.has(hostname) ? undefined : 'done'));
}

export async function reportHeartbeat(
  db: Db,
  hostname: string,
  heartbeat: Heartbeat,
): Promise<Pick<Seen, 'lastStatus'> | 'late' | 'unknown_vm'> {
  const seen = await recordSeen(db, hostname, heartbeat);
  if (!seen) return (await hasTombstone(db, hostname)) ? 'late' : 'unknown_vm';
  const { twinAddress, lastStatus } = seen;
  if (twinAddress === null) return { lastStatus };
  await markTwin(db, hostname, [twinAddress, heartbeat.address]);
  return { lastStatus: null };
}

/** Records that the VM was seen; the result for a VM that may be unknown or destroyed. */
export async function seenOrLate(db: Db, hostname: string): Promise<ReportResult> {
  if (await recordSeen(db, hostname)) return 'recorded';
  return (await hasTombstone(db, hostname)) ? 'late' : 'unknown_vm';
}

/** A boot id that comes back after another one: two machines report in turn, while a restart never brings one back. */
async function markTwin(db: Db, hostname: string, addresses: readonly [string, string]): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('vms')
      .set({ twin_since: sql<Date>`now()`, twin_addresses: [...addresses] })
      .where('hostname', '=', hostname)
      .where('twin_since', 'is', null)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    await recordAuditEvent(trx, { who: 'allocator', what: 'twin', detail: addresses.join(', '), hostname });
  });
}
