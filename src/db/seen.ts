// That a VM was seen: by its heartbeat, or by anything else that it reports. Those of one moment are one statement.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import type { Locking } from './free-vms.ts';
import { BOUNDED, grouped, ofReports } from './grouped.ts';
import { condition, isSilent } from './predicates.ts';
import { statusChangedBy, transition } from './transition.ts';

export type Heartbeat = {
  readonly bootId: string;
  /** Of the client. */
  readonly address: string;
  readonly freeDiskBytes: number | null;
};

/** When a VM made a status report: in which boot, and how long after that boot. */
export type MadeAt = { readonly bootId: string; readonly uptimeMs: number };

export type Seen = {
  /** From which the other machine of this hostname reported; null if there is none. */
  readonly twinAddress: string | null;
  /** The last status report that counted; null: none says when it was made, or there are two machines of this hostname. */
  readonly lastStatus: MadeAt | null;
};

type Sighting = { readonly hostname: string; readonly heartbeat: Heartbeat | null };

/** How many boots before the present one are remembered: as many machines of one name are found. */
const EARLIER_BOOTS = 8;

/** Records that the VM was seen, which ends its silence. Null if there is no such VM. */
export async function recordSeen(
  db: Db,
  hostname: string,
  heartbeat: Heartbeat | null = null,
): Promise<Seen | null> {
  return recordInGroup(db, { hostname, heartbeat });
}

const recordInGroup = grouped<Sighting, Seen | null>({
  name: 'seen',
  keyOf: ({ hostname }) => hostname,
  ...ofReports,
  together: (db, sightings) => record(db, sightings, 'skip locked'),
  alone: async (db, sighting) => (await record(db, [sighting], ''))[0] ?? null,
});

type Row = Pick<Seen, 'twinAddress'> & {
  readonly hostname: string;
  readonly isSeen: boolean;
  readonly reportedBootId: string | null;
  readonly reportedUptimeMs: number | null;
};

/**
 * Null: there is no such VM. Undefined: its row is locked, so that its silence could not be ended, and nothing was changed. The rows
 * of VMs are locked before those of their presence, each in the order of hostnames.
 */
async function record(
  db: Db,
  sightings: readonly Sighting[],
  locking: Locking,
): Promise<(Seen | null | undefined)[]> {
  const given = sql`v.hostname in (select hostname from given) and ${condition(isSilent('v'))}`;
  // What the transition changes, by the same snapshot.
  const silent = sql`(${statusChangedBy('response')} and ${condition(isSilent('v'))})`;
  const { rows } = await sql<Row>`
    with given as (
      select given.* from unnest(
        ${sightings.map(({ hostname }) => hostname)}::text[],
        ${sightings.map(({ heartbeat }) => heartbeat?.bootId ?? null)}::text[],
        ${sightings.map(({ heartbeat }) => heartbeat?.address ?? null)}::text[],
        ${sightings.map(({ heartbeat }) => heartbeat?.freeDiskBytes ?? null)}::bigint[]
      ) as given (hostname, boot_id, boot_address, free_disk_bytes)${sql.raw(locking === '' ? '' : BOUNDED)}
    ), back as (${transition('response', { where: given, locking })}
    ), before as (
      select p.hostname, p.boot_address from given join vm_presence p on p.hostname = given.hostname
      where p.boot_id <> given.boot_id and given.boot_id = any(p.earlier_boots)
    ), seen as (
      insert into vm_presence as p (hostname, last_seen_at, boot_id, boot_address, free_disk_bytes)
      select v.hostname, now(), given.boot_id, given.boot_address, given.free_disk_bytes
      from given join vms v on v.hostname = given.hostname
      where (select count(*) from back) >= 0
        and (not ${silent} or ${locking === ''} or v.hostname in (select hostname from back))
      order by v.hostname
      on conflict (hostname) do update set
        last_seen_at = now(),
        boot_id = coalesce(excluded.boot_id, p.boot_id),
        boot_address = coalesce(excluded.boot_address, p.boot_address),
        earlier_boots = case when excluded.boot_id <> p.boot_id
          then (array_prepend(p.boot_id, array_remove(p.earlier_boots, p.boot_id)))[1:${sql.lit(EARLIER_BOOTS)}] else p.earlier_boots end,
        free_disk_bytes = coalesce(excluded.free_disk_bytes, p.free_disk_bytes)
      returning hostname
    )
    select v.hostname, seen.hostname is not null as "isSeen", before.boot_address as "twinAddress",
      case when v.twin_since is null then v.reported_boot_id end as "reportedBootId", v.reported_uptime_ms as "reportedUptimeMs"
    from given join vms v on v.hostname = given.hostname
    left join seen on seen.hostname = v.hostname
    left join before on before.hostname = v.hostname`.execute(db);
  const found = new Map(rows.map((row) => [row.hostname, row]));
  return sightings.map(({ hostname }) => {
    const row = found.get(hostname);
    if (!row) return null;
    return row.isSeen ? { twinAddress: row.twinAddress, lastStatus: lastStatusOf(row) } : undefined;
  });
}

function lastStatusOf({ reportedBootId: bootId, reportedUptimeMs: uptimeMs }: Row): MadeAt | null {
  return bootId === null || uptimeMs === null ? null : { bootId, uptimeMs };
}
