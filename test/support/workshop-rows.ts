// The rows of a lab during a workshop: machines in every state that the admin's pages show, with their reasons.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { takeDelivery } from '../../src/db/delivery.ts';
import { releaseAssignment } from '../../src/db/recycling.ts';
import { reportHeartbeat } from '../../src/db/reports.ts';
import { giveVm, insertFreeVms } from './rows.ts';

const LIFETIME_SECONDS = 600;
export const labHostname = (number: number): string => `lab-vm-prod-${number}`;

/** Twelve machines: 1–4 are assigned, 5 and 6 free, the others in other states; 10 takes too long to start. */
export async function fillLab(db: Db): Promise<void> {
  await insertFreeVms(db, [1, 2, 3, 4].map(labHostname));
  for (const person of ['ada', 'grace', 'joan', 'mary']) await giveVm(db, `${person}@example.org`);
  for (const number of [1, 2, 3, 4])
    await reportHeartbeat(db, labHostname(number), {
      bootId: `boot-${number}`,
      address: '10.0.0.5',
      freeDiskBytes: 41_000_000_000,
    });
  await takeDelivery(db, labHostname(1), LIFETIME_SECONDS);
  await insertFreeVms(db, [5, 6, 7, 8, 9, 10, 11, 12].map(labHostname));
  const { id } = await giveVm(db, 'katherine@example.org');
  await releaseAssignment(db, id, 'admin');
  await sql`update assignments set acknowledged_at = now(), outcome = 'registered' where hostname = ${labHostname(1)}`.execute(
    db,
  );
  await sql`update assignments set command_at = now() - interval '20 minutes' where hostname = ${labHostname(2)}`.execute(
    db,
  );
  await sql`update assignments set command_at = now() - interval '4 minutes' where hostname = ${labHostname(4)}`.execute(
    db,
  );
  await setStatus(db, 3, 'error', 4);
  await setStatus(db, 7, 'error', 30);
  await setStatus(db, 8, 'unreachable', 9);
  await setStatus(db, 9, 'initializing', 3);
  await setStatus(db, 10, 'initializing', 17);
  await sql`update vms set gpu_health = 'Unhealthy' where hostname = ${labHostname(11)}`.execute(db);
  await sql`update vms set gpu_health = 'Healthy', in_use = true where hostname = ${labHostname(1)}`.execute(
    db,
  );
  await sql`insert into vm_timings (hostname, provisioning_seconds, cloud_init_seconds, container_seconds)
    select hostname, 41.5, 62, 8.25 from vms where status = 'running'`.execute(db);
}

async function setStatus(db: Db, number: number, status: string, minutesAgo: number): Promise<void> {
  await sql`update vms set status = ${status}, status_since = now() - make_interval(mins => ${minutesAgo})
    where hostname = ${labHostname(number)}`.execute(db);
}
