// What is planned: launches and destroys at a time. Not breaking: an older program overlooks it, and starts nothing of it.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `create table schedule (
     id uuid primary key,
     kind text not null check (kind in ('launch', 'destroy')),
     wall_time text not null check (wall_time ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$'),
     zone text not null check (length(zone) <= 100),
     due_at timestamptz not null,
     num_vms integer check (num_vms > 0),
     hours integer check (hours > 0),
     download boolean not null default false,
     state text not null default 'pending'
       check (state in ('pending', 'running', 'done', 'missed', 'skipped', 'cancelled')),
     scheduled_by text not null,
     created_at timestamptz not null default now(),
     run_by text,
     run_at timestamptz,
     retry_at timestamptz,
     attempts integer not null default 0,
     problem text,
     kept text[] not null default '{}',
     archives text[] not null default '{}',
     ended_at timestamptz,
     lease_owner text,
     lease_until timestamptz,
     check ((kind = 'launch') = (num_vms is not null)),
     check (kind = 'destroy' or not download),
     check ((run_by is null) = (run_at is null)),
     check ((state = 'running') = (lease_owner is not null)),
     check ((lease_owner is null) = (lease_until is null))
   )`,
  `comment on column schedule.wall_time is 'what a clock in the zone shows; with the zone it is what the organiser chose'`,
  `comment on column schedule.due_at is 'the same as an instant; computed again at each start, because rules of zones change'`,
  `comment on column schedule.run_at is 'when somebody asked to run it at once; null: it waits for its time'`,
  `comment on column schedule.kept is 'VMs that were not destroyed because their files were not downloaded'`,
  `comment on column schedule.archives is 'where the downloaded files are, one place for each download'`,
  `create index schedule_by_time on schedule (due_at) where state in ('pending', 'running')`,
  `alter table operations add column schedule_id uuid references schedule on delete set null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
