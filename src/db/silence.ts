// VMs that have stopped responding. Only a VM that has sent heartbeats can be called silent: the published LabLink agents
// (0.0.4–0.1.2) report only changes, so a quiet VM may be healthy.
import { sql } from 'kysely';
import type { Db } from './connect.ts';
import { condition, isSilent } from './predicates.ts';
import { recordEvent, transition } from './transition.ts';

/**
 * Marks running VMs as `unreachable` that have sent heartbeats before, but neither a poll nor a report for
 * `silentSeconds`. Returns their hostnames.
 */
export async function markSilent(db: Db, silentSeconds: number): Promise<string[]> {
  const presence = sql`from vm_presence p where p.hostname = v.hostname`;
  const { rows } = await transition('silence', {
    where: sql`exists (select ${presence} and p.boot_id is not null
      and p.last_seen_at < now() - make_interval(secs => ${silentSeconds}::float8)
      and coalesce(p.waiting_until < now(), true))`,
    set: sql`silent_since = (select p.last_seen_at ${presence})`,
  }).execute(db);
  return rows.map(({ hostname }) => hostname);
}

/** These VMs responded: those that were unreachable only because of their silence become running. */
export async function endSilence(db: Db, hostnames: readonly string[]): Promise<void> {
  await recordEvent(db, 'response', hostnames, { where: condition(isSilent('v')) });
}

/** The heartbeats of these VMs were refused: they live. `unproven` came without a token, so it counts for VMs without one. */
export async function recordRefused(
  db: Db,
  { proven, unproven }: { readonly proven: readonly string[]; readonly unproven: readonly string[] },
): Promise<void> {
  const { rows } = await sql<{ hostname: string }>`
    update vm_presence p set last_seen_at = now() from vms v
    where v.hostname = p.hostname and (p.hostname = any(${proven}::text[])
      or p.hostname = any(${unproven}::text[]) and v.token_hash is null)
    returning p.hostname`.execute(db);
  await endSilence(
    db,
    rows.map(({ hostname }) => hostname),
  );
}

/** The clock of the database, in milliseconds. */
export async function readDatabaseClock(db: Db): Promise<number> {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(db);
  return rows[0]?.ms ?? Number.NaN;
}
