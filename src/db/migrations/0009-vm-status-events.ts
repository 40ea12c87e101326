// The event that set a VM's status, beside the status and in the history. Not breaking: the status that an older program
// writes has no event.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table vms add column status_event text`,
  `comment on column vms.status_event is 'the event that set the status (docs/vm-lifecycle.md)'`,
  `alter table vm_events add column event text`,
  `comment on column vm_events.event is 'null: not known'`,
  // A program that does not know the column leaves it as it was.
  `create or replace function vms_note_status() returns trigger language plpgsql as $$
   begin
     insert into vm_events (hostname, status, event) values (new.hostname, new.status,
       case when new.status_event is distinct from old.status_event then new.status_event end);
     delete from vm_events where hostname = new.hostname
       and id <= (select id from vm_events where hostname = new.hostname order by id desc offset 200 limit 1);
     return null;
   end $$`,
  `drop trigger vms_status on vms`,
  `create trigger vms_status after update of status on vms for each row
     when (old.status is distinct from new.status or old.status_event is distinct from new.status_event)
     execute function vms_note_status()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
