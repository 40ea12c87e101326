// History: what operations did with each machine, machines by state over time, assignments over time.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';

const statements = [
  `create table operation_machines (
     operation_id uuid not null references operations on delete cascade,
     hostname ${HOSTNAME} not null,
     state text not null default 'waiting' check (state in ('waiting', 'made', 'failed', 'gone')),
     seconds double precision check (seconds >= 0),
     detail text,
     at timestamptz not null default now(),
     primary key (operation_id, hostname)
   )`,
  `comment on table operation_machines is 'what an operation did with each machine; stays when the machine is gone'`,

  `create table vm_state_samples (
     id bigint generated always as identity primary key,
     at timestamptz not null default now(),
     free integer not null check (free >= 0),
     assigned integer not null check (assigned >= 0),
     in_use integer not null check (in_use >= 0),
     initializing integer not null check (initializing >= 0),
     recycling integer not null check (recycling >= 0),
     failed integer not null check (failed >= 0),
     destroying integer not null check (destroying >= 0)
   )`,
  `comment on table vm_state_samples is 'a row whenever the counts have changed; it holds until the next one'`,
  `create index vm_state_samples_by_time on vm_state_samples (at)`,

  `create table assignment_changes (
     id bigint generated always as identity primary key,
     at timestamptz not null default now(),
     hostname ${HOSTNAME} not null,
     what text not null check (what in ('assigned', 'released'))
   )`,
  `comment on table assignment_changes is 'append-only, by trigger; without people, so that it may outlive the machine'`,
  `create index assignment_changes_by_time on assignment_changes (at)`,
  `insert into assignment_changes (at, hostname, what)
     select at, hostname, what from (
       select assigned_at as at, hostname, 'assigned' as what from assignments
       union all
       select released_at, hostname, 'released' from assignments where released_at is not null
     ) as changes order by at`,
  `create function note_assignment_change() returns trigger language plpgsql as $$
   begin
     if tg_op = 'INSERT' then
       insert into assignment_changes (hostname, what) values (new.hostname, 'assigned');
     else
       insert into assignment_changes (hostname, what) values (old.hostname, 'released');
     end if;
     return null;
   end $$`,
  `create trigger assignments_made after insert on assignments
     for each row when (new.released_at is null) execute function note_assignment_change()`,
  `create trigger assignments_released after update of released_at on assignments
     for each row when (old.released_at is null and new.released_at is not null)
     execute function note_assignment_change()`,
  `create trigger assignments_gone after delete on assignments
     for each row when (old.released_at is null) execute function note_assignment_change()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
