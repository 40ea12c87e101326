// Reports of VMs: status, in-use, GPU, heartbeat. A report without news writes nothing to `vms`, so that reports do not
// lock the rows that a claim needs.
import { sql } from 'kysely';
import type { ReportedStatus } from '../vms/lifecycle.ts';
import type { GpuHealth, Provider } from '../vms/status.ts';
import { recordAuditEvent } from './audit.ts';
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
    return (await recordSeen(db, hostname)) !== null;
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
    .set({ gpu_health: health, gpu_since: sql<Date>`now()` })
    .where('hostname', '=', hostname)
    .where('gpu_health', 'is distinct from', health)
    .execute();
  return seenOrLate(db, hostname);
}

export type Heartbeat = {
  readonly bootId: string;
  /** Of the client. */
  readonly address: string;
  readonly freeDiskBytes: number | null;
};

export async function reportHeartbeat(db: Db, hostname: string, heartbeat: Heartbeat): Promise<ReportResult> {
  const seen = await recordSeen(db, hostname, heartbeat);
  if (seen) {
    if (seen.twinAddress !== null) await markTwin(db, hostname, [seen.twinAddress, heartbeat.address]);
    return 'recorded';
  }
  return (await hasTombstone(db, hostname)) ? 'late' : 'unknown_vm';
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

/** How many boots before the present one are remembered: as many machines of one name are found. */
const EARLIER_BOOTS = 8;

type Seen = {
  /** From which the other machine of this hostname reported; null if there is none. */
  readonly twinAddress: string | null;
};

/** Records that the VM was seen, which ends its silence (the count makes that happen first). Null if there is no such VM. */
async function recordSeen(db: Db, hostname: string, heartbeat?: Heartbeat): Promise<Seen | null> {
  const { bootId = null, address = null, freeDiskBytes = null } = heartbeat ?? {};
  const { rows } = await sql<Seen>`
    with before as (select boot_address from vm_presence where hostname = ${hostname}
      and boot_id <> ${bootId} and ${bootId}::text = any(earlier_boots)
    ), back as (${transition('response', { one: true, where: sql`v.hostname = ${hostname} and ${condition(isSilent('v'))}` })})
    insert into vm_presence as p (hostname, last_seen_at, boot_id, boot_address, free_disk_bytes)
    select hostname, now(), ${bootId}, ${address}, ${freeDiskBytes}::bigint
    from vms where hostname = ${hostname} and (select count(*) from back) >= 0
    on conflict (hostname) do update set
      last_seen_at = now(),
      boot_id = coalesce(excluded.boot_id, p.boot_id),
      boot_address = coalesce(excluded.boot_address, p.boot_address),
      earlier_boots = case when excluded.boot_id <> p.boot_id
        then (array_prepend(p.boot_id, array_remove(p.earlier_boots, p.boot_id)))[1:${sql.lit(EARLIER_BOOTS)}] else p.earlier_boots end,
      free_disk_bytes = coalesce(excluded.free_disk_bytes, p.free_disk_bytes)
    returning (select boot_address from before) as "twinAddress"`.execute(db);
  return rows[0] ?? null;
}
