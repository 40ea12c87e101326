// Reports of VMs: status, in-use, GPU, heartbeat. A report without news writes nothing to `vms`, so that reports do not
// lock the rows that a claim needs.
import { sql } from 'kysely';
import type { ReportedStatus } from '../vms/lifecycle.ts';
import type { GpuHealth, Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { hasTombstone } from './tombstones.ts';
import { condition, isSilent } from './predicates.ts';
import { addVms, recordEvent, transition } from './transition.ts';

/** `late`: the VM was destroyed within the last hour; nothing was changed. */
export type ReportResult = 'recorded' | 'late' | 'unknown_vm';

/** Records a status; an unknown hostname becomes a row of this provider. */
export async function reportStatus(
  db: Db,
  report: { hostname: string; status: ReportedStatus; provider: Provider },
): Promise<'recorded' | 'late'> {
  const { hostname, status, provider } = report;
  const change = async (): Promise<boolean> => {
    await recordEvent(db, `report-${status}`, [hostname]);
    return recordSeen(db, hostname);
  };
  if (await change()) return 'recorded';
  if (await hasTombstone(db, hostname)) return 'late';
  await addVms(db, `report-${status}`, [{ hostname, provider }]);
  await change();
  return 'recorded';
}

/** The provider has given up the VM: it becomes `error`, but does not count as seen. */
export async function markFailed(db: Db, hostname: string): Promise<void> {
  await recordEvent(db, 'give-up', [hostname]);
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
    with back as (${transition('response', { one: true, where: sql`v.hostname = ${hostname} and ${condition(isSilent('v'))}` })})
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
