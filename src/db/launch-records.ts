// What the database knows about the launches of machines that are missing from the provider's state.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type LaunchRecord = {
  /** The launch is one of ours, or the machine has a row because it was adopted. */
  readonly known: boolean;
  /** The launch is running or was interrupted. */
  readonly interrupted: boolean;
  /** The launch failed or was cancelled, so its machines may have been overlooked. */
  readonly failed: boolean;
  /** The machine was assigned after the launch was requested; an earlier machine may have had the same hostname. */
  readonly assigned: boolean;
};

export type LaunchedMachine = {
  readonly id: string;
  readonly hostname: string | null;
  readonly launchId: string | null;
};

/** By machine id. A launch id that is not a UUID is not one of ours. */
export async function launchRecordsOf(
  db: Db,
  machines: readonly LaunchedMachine[],
): Promise<Map<string, LaunchRecord>> {
  const { rows } = await sql<{
    id: string;
    known: boolean;
    interrupted: boolean;
    failed: boolean;
    assigned: boolean;
  }>`
    select machine.id,
      o.id is not null or exists (select from vms v where v.provider_id = machine.id) as known,
      coalesce(o.status in ('running', 'interrupted'), false) as interrupted,
      coalesce(o.status in ('failed', 'cancelled'), false) as failed,
      exists (select from assignments a
        where a.hostname = machine.hostname and a.assigned_at >= o.requested_at) as assigned
    from unnest(
      ${machines.map(({ id }) => id)}::text[],
      ${machines.map(({ hostname }) => hostname)}::text[],
      ${machines.map(({ launchId }) => launchId)}::text[]
    ) as machine (id, hostname, launch)
    left join operations o on o.id::text = machine.launch`.execute(db);
  return new Map(rows.map(({ id, ...record }) => [id, record]));
}
