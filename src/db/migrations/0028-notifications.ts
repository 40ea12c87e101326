// Notifications: who gets which, what has happened, and what was sent to whom. Triggers write what happens in the transaction in which
// it happens: no statement can forget it, not even one of an older program. Not breaking: an older program sends nothing.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const tables = [
  `create table notification_recipients (
     id uuid primary key,
     kind text not null check (kind in ('email', 'webhook')),
     address text not null check (length(address) between 1 and 2048),
     sealed_secret text,
     events text[] not null default '{}',
     paused_at timestamptz,
     added_at timestamptz not null default now(),
     added_by text not null,
     unique (kind, address),
     check ((kind = 'webhook') = (sealed_secret is not null))
   )`,
  `comment on column notification_recipients.sealed_secret is 'signs what is sent to a webhook; sealed by a key that is derived from SECRET_KEY'`,
  `create table notifications (
     id uuid primary key default gen_random_uuid(),
     key text not null unique,
     event text not null,
     at timestamptz not null default now(),
     data jsonb not null,
     useful_until timestamptz
   )`,
  `comment on column notifications.key is 'the same thing is announced once, whoever notices it, however often'`,
  `create index notifications_by_time on notifications (at)`,
  `create table notification_deliveries (
     id uuid primary key default gen_random_uuid(),
     notification_id uuid not null references notifications on delete cascade,
     recipient_id uuid references notification_recipients on delete cascade,
     place_id uuid references waiting_list on delete cascade,
     status text not null default 'waiting' check (status in ('waiting', 'sent', 'failed')),
     tries integer not null default 0,
     next_try_at timestamptz not null default now(),
     lease_owner text,
     lease_until timestamptz,
     tried_at timestamptz,
     problem text,
     unique (notification_id, recipient_id),
     check ((recipient_id is null) <> (place_id is null)),
     check ((lease_owner is null) = (lease_until is null))
   )`,
  `comment on column notification_deliveries.place_id is 'a participant on the waiting list; what was sent to them is forgotten with the place'`,
  `comment on column notification_deliveries.lease_owner is 'the allocator that is sending it'`,
  `create index notification_deliveries_waiting on notification_deliveries (next_try_at) where status = 'waiting'`,
  `create index notification_deliveries_of_recipient on notification_deliveries (recipient_id)`,
  `create index notification_deliveries_of_place on notification_deliveries (place_id) where place_id is not null`,
  `alter table waiting_list add column wants_mail boolean not null default false`,
  `comment on column waiting_list.wants_mail is 'this person asked for an e-mail when a VM is reserved for them'`,

  `create function add_notification(given_key text, given_event text, given_data jsonb, given_until timestamptz default null)
   returns void language sql as $$
     with added as (
       insert into notifications (key, event, data, useful_until) values (given_key, given_event, given_data, given_until)
       on conflict (key) do nothing returning id
     )
     insert into notification_deliveries (notification_id, recipient_id)
     select added.id, r.id from added cross join notification_recipients r
     where given_event = any(r.events) and r.paused_at is null
   $$`,
];

const triggers = [
  `create function operations_notify() returns trigger language plpgsql as $$
   begin
     perform add_notification('operation/' || new.id,
       new.kind || case new.status when 'succeeded' then '_finished' else '_failed' end,
       jsonb_build_object('operation_id', new.id, 'requested_by', new.requested_by, 'total', new.total, 'done', new.done,
         'failed', new.failed, 'problem', new.problem, 'remedy', new.remedy));
     return null;
   end $$`,
  `create trigger operations_notify after update of status on operations for each row
     when (new.kind in ('launch', 'destroy') and old.status in ('queued', 'running')
       and (new.status in ('failed', 'interrupted') or new.status = 'succeeded' and new.kind = 'launch'))
     execute function operations_notify()`,

  // A machine that fails again and again is announced once an hour for each participant.
  `create function vms_notify_failed() returns trigger language plpgsql as $$
   begin
     perform add_notification('machine_failed/' || a.id || '/' || floor(extract(epoch from now()) / 3600), 'machine_failed',
       jsonb_build_object('hostname', new.hostname, 'status', new.status, 'email', a.email))
     from assignments a where a.id = new.assignment_id and a.released_at is null;
     return null;
   end $$`,
  `create trigger vms_notify_failed after update of status on vms for each row
     when (new.status in ('error', 'unreachable') and old.status not in ('error', 'unreachable') and new.assignment_id is not null)
     execute function vms_notify_failed()`,

  // The first person who waits, or the first group of them, at most once in half an hour.
  `create function announce_waiting() returns void language sql as $$
     select add_notification('people_waiting/' || floor(extract(epoch from now()) / 1800), 'people_waiting', '{}')
   $$`,
  `create function waiting_list_notify_joined() returns trigger language plpgsql as $$
   begin
     if exists (select from joined where left_at is null) and not exists (
       select from waiting_list w where left_at is null and not exists (select from joined where joined.id = w.id)
     ) then
       perform announce_waiting();
     end if;
     return null;
   end $$`,
  `create trigger waiting_list_notify_joined after insert on waiting_list referencing new table as joined
     for each statement execute function waiting_list_notify_joined()`,
  `create function waiting_list_notify_again() returns trigger language plpgsql as $$
   begin
     if not exists (select from waiting_list where left_at is null and id <> new.id) then
       perform announce_waiting();
     end if;
     return null;
   end $$`,
  `create trigger waiting_list_notify_again after update of left_at on waiting_list for each row
     when (old.left_at is not null and new.left_at is null) execute function waiting_list_notify_again()`,

  // One e-mail for each reservation, and five for each place: the address may be somebody else's.
  `create function vms_notify_reserved() returns trigger language plpgsql as $$
   begin
     with added as (
       insert into notifications (key, event, data, useful_until)
       select 'machine_ready/' || w.id || '/' || extract(epoch from new.reserved_until), 'machine_ready',
         jsonb_build_object('until', new.reserved_until), new.reserved_until
       from waiting_list w
       where w.id = new.reserved_for and w.wants_mail
         and (select count(*) from notification_deliveries d where d.place_id = w.id) < 5
       on conflict (key) do nothing returning id
     )
     insert into notification_deliveries (notification_id, place_id) select id, new.reserved_for from added;
     return null;
   end $$`,
  `create trigger vms_notify_reserved after update of reserved_for on vms for each row
     when (new.reserved_for is not null and old.reserved_for is distinct from new.reserved_for)
     execute function vms_notify_reserved()`,

  // Once a day, and again after a backup has succeeded.
  `create function backups_notify() returns trigger language plpgsql as $$
   begin
     perform add_notification('backup_failed/' || current_date || '/' ||
         coalesce((select max(id) from backups where problem is null), 0), 'backup_failed',
       jsonb_build_object('place', new.place, 'problem', new.problem));
     return null;
   end $$`,
  `create trigger backups_notify after insert on backups for each row
     when (new.problem is not null) execute function backups_notify()`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [...tables, ...triggers]) await sql.raw(statement).execute(db);
}
