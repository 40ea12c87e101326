// Machines of which nothing is heard any more. Only those can be called silent that would speak: whose agent has sent a
// heartbeat. Agents of the field report changes alone, and a quiet one may be well.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

/**
 * Marks running machines `unreachable` that have sent heartbeats, hold no poll, and have not been heard of for so long.
 * Returns them.
 */
export async function markSilent(db: Db, silentSeconds: number): Promise<string[]> {
  const { rows } = await sql<{ hostname: string }>`
    update vms v set status = 'unreachable', status_since = now(), silent_since = p.last_seen_at
    from vm_presence p
    where p.hostname = v.hostname and v.status = 'running' and p.boot_id is not null
      and p.last_seen_at < now() - make_interval(secs => ${silentSeconds}::float8)
      and coalesce(p.waiting_until < now(), true)
    returning v.hostname`.execute(db);
  return rows.map(({ hostname }) => hostname);
}

/** These were heard of: those that were unreachable because of their silence alone are running again. */
export async function endSilence(db: Db, hostnames: readonly string[]): Promise<void> {
  await sql`update vms set status = 'running', status_since = now()
    where hostname = any(${hostnames}::text[]) and status = 'unreachable' and silent_since is not null`.execute(
    db,
  );
}
