// What an admin does about one machine, what happened to it, and what live pages must hear of its assignment and presence.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';

const statements = [
  `create table vm_events (
     hostname ${HOSTNAME} not null references vms on delete cascade,
     id bigint generated always as identity,
     at timestamptz not null default clock_timestamp(),
     status text not null,
     primary key (hostname, id)
   )`,
  `comment on table vm_events is 'the statuses of a machine; append-only, the newest 200 of each are kept'`,
  `create function vms_note_status() returns trigger language plpgsql as $$
   begin
     insert into vm_events (hostname, status) values (new.hostname, new.status);
     delete from vm_events where hostname = new.hostname
       and id <= (select id from vm_events where hostname = new.hostname order by id desc offset 200 limit 1);
     return null;
   end $$`,
  `create trigger vms_born after insert on vms for each row execute function vms_note_status()`,
  `create trigger vms_status after update of status on vms for each row
     when (old.status is distinct from new.status) execute function vms_note_status()`,
  `insert into vm_events (hostname, at, status) select hostname, status_since, status from vms`,

  `alter table vms add column silent_since timestamptz`,
  `comment on column vms.silent_since is 'unreachable because nothing was heard of it: what it says next brings it back'`,
  `create function vms_end_silence() returns trigger language plpgsql as $$
   begin
     new.silent_since := null;
     return new;
   end $$`,
  `create trigger vms_silence before update of status on vms for each row
     when (old.silent_since is not null and new.status <> 'unreachable') execute function vms_end_silence()`,

  `alter table assignments
     add column let_in_until timestamptz,
     add column moved_at timestamptz,
     add column revision bigint not null default nextval('vms_revision')`,
  `comment on column assignments.let_in_until is 'until then the next browser is let in without the PIN'`,
  `comment on column assignments.moved_at is 'it moved to this machine after its command was delivered to another one; null once there is a new command'`,
  `comment on column assignments.revision is 'as vms.revision, of the same sequence'`,
  `create trigger assignments_revision before update on assignments for each row execute function vms_bump_revision()`,
  `create index assignments_by_revision on assignments (revision)`,

  `alter table vm_presence add column revision bigint not null default nextval('vms_revision')`,
  `comment on column vm_presence.revision is 'as vms.revision; moves when somebody who looks would see a difference, once a minute at most while nothing but the time goes on'`,
  `create trigger vm_presence_revision before update on vm_presence for each row
     when (old.boot_id is distinct from new.boot_id
       or (old.waiting_until is null) <> (new.waiting_until is null)
       or (old.free_disk_bytes >> 28) is distinct from (new.free_disk_bytes >> 28)
       or date_trunc('minute', old.last_seen_at) <> date_trunc('minute', new.last_seen_at))
     execute function vms_bump_revision()`,
  `create index vm_presence_by_revision on vm_presence (revision)`,

  `alter table audit_events add column hostname ${HOSTNAME}`,
  `create index audit_events_by_hostname on audit_events (hostname, id) where hostname is not null`,
  `create index operation_events_by_hostname on operation_events (hostname, id) where hostname is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
