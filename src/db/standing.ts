// What our records say of machines that the cloud has and no state knows: by their launch, and by who was given them.
import { sql } from 'kysely';
import type { Db } from './connect.ts';

export type MachineStanding = {
  /** The launch is one of ours, or a row is about the machine: it was adopted. */
  readonly known: boolean;
  /** It did not come to its end, or has not yet. */
  readonly interrupted: boolean;
  /** It came to its end without success: what it left may have been overlooked. */
  readonly failed: boolean;
  /** Somebody was given the machine since the launch was asked for: its hostname may have had another one before. */
  readonly assigned: boolean;
};

export type LaunchedMachine = {
  readonly id: string;
  readonly hostname: string | null;
  readonly launchId: string | null;
};

/** By the ids given. A launch that is no UUID is none of ours. */
export async function standingOf(
  db: Db,
  machines: readonly LaunchedMachine[],
): Promise<Map<string, MachineStanding>> {
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
  return new Map(rows.map(({ id, ...standing }) => [id, standing]));
}
