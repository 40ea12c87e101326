// The rows for the examples of the contract: an assigned machine, machines in other states, logs, a released assignment, an
// operation.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { keepUpload } from '../../src/db/roster.ts';
import { emptyTables } from './empty-tables.ts';

/** The values in the examples of openapi.yaml. */
export const EXAMPLE = {
  hostname: 'lablink-vm-prod-1',
  assignmentId: '0b0f4c0e-58a1-4f0e-9a38-6f6a5b1d2c11',
  uploadId: '3c2f8b1e-7d4a-4e5b-9c60-1f2e3d4c5b6a',
  operationId: '7f0c7c52-3d34-4a0c-9a53-0a4f3f0f6d21',
  /** On the waiting list; tests that need it add it, for nobody passes who waits. */
  placeId: '2f6d7c1a-41f3-4c55-9a0e-6f1d2b7c8e90',
  recipientId: '6e1d0c2b-9f5a-4d3e-8b7c-0a1b2c3d4e5f',
  /** Has failed. */
  deliveryId: '4c8a2e6f-1b3d-4f5a-9e7c-8d6b5a4f3e2d',
  scheduleId: '6a1f0c3e-2b5d-4e8f-9a70-1c2d3e4f5a6b',
  email: 'grace@example.org',
  pin: '482913',
} as const;

/** Free machines. */
export const FREE = ['lablink-vm-prod-2', 'lablink-vm-prod-3'] as const;
export const BOOTING = 'lablink-vm-prod-4';
const BROKEN = 'lablink-vm-prod-5';
/** Its assignment was released, and its files have not been deleted yet. */
export const RECYCLING = 'lablink-vm-prod-6';
/** Destroyed a moment ago; its hostname is reserved. */
export const DESTROYED = 'lablink-vm-prod-7';
export const RELEASED_ID = '5d3c1f4e-6a0e-4f6c-8f0b-3b8a1c9d7e22';

/** Of `correct horse battery`, at a cost of nothing. */
const EXAMPLE_HASH =
  '$argon2id$v=19$m=64,t=1,p=1$HPX08EAmoAMP33i7tYVV3g$0OJjReWtIzXeb7ZnnnMTYeNzZPr/oTSRRC85iQ1WQA8';

const COMMAND =
  'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code=4/0AexampleCode --redirect-url=https://remotedesktop.google.com/_/oauthredirect --name=$(hostname)';

/** Replaces all rows by those of the examples. */
export async function seedLab(db: Db): Promise<void> {
  await emptyTables(db);
  await db
    .insertInto('vms')
    .values([
      { hostname: EXAMPLE.hostname, provider: 'external', status: 'running', gpu_health: 'Healthy' },
      ...FREE.map((hostname) => ({ hostname, provider: 'external', status: 'running' })),
      { hostname: BOOTING, provider: 'external', status: 'initializing' },
      { hostname: BROKEN, provider: 'external', status: 'error' },
      { hostname: RECYCLING, provider: 'external', status: 'recycling' },
    ])
    .execute();
  await keepUpload(db, {
    id: EXAMPLE.uploadId,
    entries: [{ email: EXAMPLE.email, name: 'Grace Hopper', group: 'A', note: '' }],
    who: 'admin',
  });
  await db
    .insertInto('schedule')
    .values({
      ...{ id: EXAMPLE.scheduleId, kind: 'destroy', scheduled_by: 'admin', download: true },
      ...{ wall_time: '2099-03-01T18:00', zone: 'Europe/Berlin', due_at: '2099-03-01T17:00:00Z' },
    })
    .execute();
  await db
    .insertInto('accounts')
    .values({
      name: 'ada',
      role: 'instructor',
      password_hash: EXAMPLE_HASH,
      created_by: 'admin',
      changed_by: 'admin',
    })
    .execute();
  await db.insertInto('tombstones').values({ hostname: DESTROYED }).execute();
  await seedAssignments(db);
  await seedNotifications(db);
  await db
    .insertInto('vm_logs')
    .values(['Starting cloud-init...', 'done'].map((line) => ({ hostname: EXAMPLE.hostname, line })))
    .execute();
  await db.insertInto('vm_log_cuts').values({ hostname: EXAMPLE.hostname, lines_cut: 3 }).execute();
  await db
    .insertInto('operations')
    .values({
      id: EXAMPLE.operationId,
      kind: 'launch',
      status: 'succeeded',
      requested_by: 'admin',
      num_vms: 3,
      done: 3,
      total: 3,
      ended_at: sql<Date>`now()`,
    })
    .execute();
}

/** A paused recipient, and what could not be sent to it. */
async function seedNotifications(db: Db): Promise<void> {
  await db
    .insertInto('notification_recipients')
    .values({
      id: EXAMPLE.recipientId,
      kind: 'email',
      address: 'organisers@example.org',
      events: ['backup_failed'],
      paused_at: sql<Date>`now()`,
      added_by: 'admin',
    })
    .execute();
  await sql`with added as (
      insert into notifications (key, event, data) values ('example', 'backup_failed', '{"place": "/backups", "problem": "The disk is full."}')
      returning id
    ) insert into notification_deliveries (id, notification_id, recipient_id, status, tries, problem)
    select ${EXAMPLE.deliveryId}, id, ${EXAMPLE.recipientId}, 'failed', 5, 'The mail server answered 550.' from added`.execute(
    db,
  );
}

async function seedAssignments(db: Db): Promise<void> {
  const common = { browsers: ['a browser'], crd_command: COMMAND };
  await db
    .insertInto('assignments')
    .values([
      {
        ...common,
        id: EXAMPLE.assignmentId,
        hostname: EXAMPLE.hostname,
        email: EXAMPLE.email,
        pin: EXAMPLE.pin,
      },
      {
        ...common,
        id: RELEASED_ID,
        hostname: RECYCLING,
        email: 'joan@example.org',
        pin: '111111',
        released_at: sql<Date>`now()`,
      },
    ])
    .execute();
  for (const [hostname, assignment_id] of [
    [EXAMPLE.hostname, EXAMPLE.assignmentId],
    [RECYCLING, RELEASED_ID],
  ] as const)
    await db.updateTable('vms').set({ assignment_id }).where('hostname', '=', hostname).execute();
}
