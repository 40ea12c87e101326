// Reports of VMs: status, in-use, GPU, heartbeat. A report without news writes nothing to `vms`, so that reports do not
// lock the rows that a claim needs.
import { sql } from 'kysely';
import type { GpuHealth, Provider, ReportedStatus } from '../vms/status.ts';
import { statusesReplacedBy } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { hasTombstone } from './tombstones.ts';

/** `late`: the VM was destroyed within the last hour; nothing was changed. */
export type ReportResult = 'recorded' | 'late' | 'unknown_vm';

/** Records a status; an unknown hostname becomes a row of this provider. */
export async function reportStatus(
  db: Db,
  report: { hostname: string; status: ReportedStatus; provider: Provider },
): Promise<'recorded' | 'late'> {
  if (await updateStatus(db, report)) return 'recorded';
  if (await hasTombstone(db, report.hostname)) return 'late';
  const { hostname, status, provider } = report;
  await db
    .insertInto('vms')
    .values({ hostname, status, provider })
    .onConflict((conflict) => conflict.column('hostname').doNothing())
    .execute();
  await updateStatus(db, report);
  return 'recorded';
}

type StatusChange = { readonly hostname: string; readonly status: ReportedStatus };

/** False if there is no such row. */
async function updateStatus(db: Db, report: StatusChange): Promise<boolean> {
  await changeStatus(db, report);
  return recordSeen(db, report.hostname);
}

/** Does not replace a status that only the server ends (see vms/status.ts). */
async function changeStatus(db: Db, { hostname, status }: StatusChange): Promise<void> {
  await db
    .updateTable('vms')
    .set({ status, status_since: sql<Date>`now()` })
    .where('hostname', '=', hostname)
    .where('status', '<>', status)
    .where('status', 'in', statusesReplacedBy(status))
    .execute();
}

/** The provider has given up the VM: it becomes `error`, but does not count as seen. */
export async function markFailed(db: Db, hostname: string): Promise<void> {
  await changeStatus(db, { hostname, status: 'error' });
}

export async function reportInUse(db: Db, hostname: string, inUse: boolean): Promise<ReportResult> {
  await db
    .updateTable('vms')
    .set({ in_use: inUse })
    .where('hostname', '=', hostname)
    .where('in_use', 'is distinct from', inUse)
    .execute();
  return seenOrLate(db, hostname);
}

export async function reportGpuHealth(db: Db, hostname: string, health: GpuHealth): Promise<ReportResult> {
  await db
    .updateTable('vms')
    .set({ gpu_health: health })
    .where('hostname', '=', hostname)
    .where('gpu_health', 'is distinct from', health)
    .execute();
  return seenOrLate(db, hostname);
}

export type Heartbeat = { readonly bootId: string; readonly freeDiskBytes: number | null };

export async function reportHeartbeat(db: Db, hostname: string, heartbeat: Heartbeat): Promise<ReportResult> {
  const known = await recordSeen(db, hostname, heartbeat);
  if (known) return 'recorded';
  return (await hasTombstone(db, hostname)) ? 'late' : 'unknown_vm';
}

/** Records that the VM was seen; the result for a VM that may be unknown or destroyed. */
export async function seenOrLate(db: Db, hostname: string): Promise<ReportResult> {
  if (await recordSeen(db, hostname)) return 'recorded';
  return (await hasTombstone(db, hostname)) ? 'late' : 'unknown_vm';
}

/** Records that the VM was seen, which ends its silence (the count makes that happen first). False if there is no such VM. */
async function recordSeen(db: Db, hostname: string, heartbeat?: Heartbeat): Promise<boolean> {
  const { rows } = await sql`
    with back as (
      update vms set status = 'running', status_since = now()
      where hostname = ${hostname} and status = 'unreachable' and silent_since is not null
      returning hostname
    )
    insert into vm_presence (hostname, last_seen_at, boot_id, free_disk_bytes)
    select hostname, now(), ${heartbeat?.bootId ?? null}, ${heartbeat?.freeDiskBytes ?? null}::bigint
    from vms where hostname = ${hostname} and (select count(*) from back) >= 0
    on conflict (hostname) do update set
      last_seen_at = now(),
      boot_id = coalesce(excluded.boot_id, vm_presence.boot_id),
      free_disk_bytes = coalesce(excluded.free_disk_bytes, vm_presence.free_disk_bytes)
    returning hostname`.execute(db);
  return rows.length > 0;
}
