// The first schema: machines, who is present, who has which, timings, logs, tombstones.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

/** Hostnames sort by bytes, so that pages come in the same order on every server. */
const HOSTNAME = 'text collate "C"';

const statements = [
  `create sequence vms_revision`,

  `create table vms (
     hostname ${HOSTNAME} primary key check (hostname ~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$'),
     provider text not null check (provider in ('aws', 'local', 'external')),
     status text not null
       check (status in ('initializing', 'running', 'error', 'unreachable', 'recycling', 'destroying')),
     status_since timestamptz not null default now(),
     in_use boolean,
     gpu_health text check (gpu_health in ('Healthy', 'Unhealthy', 'N/A')),
     token_hash bytea unique check (length(token_hash) = 32),
     address text,
     ssh_user text,
     ssh_port integer check (ssh_port between 1 and 65535),
     ssh_host_key text,
     assignment_id uuid,
     created_at timestamptz not null default now(),
     revision bigint not null default nextval('vms_revision')
   )`,
  `comment on column vms.assignment_id is 'null = free; the row that a claim changes'`,
  `comment on column vms.revision is 'moves with every change; live pages read the rows whose revision is newer'`,
  `create index vms_free on vms (hostname) where assignment_id is null and status = 'running'`,
  `create index vms_by_revision on vms (revision)`,
  `create function vms_bump_revision() returns trigger language plpgsql as $$
   begin
     new.revision := nextval('vms_revision');
     return new;
   end $$`,
  `create trigger vms_revision before update on vms for each row execute function vms_bump_revision()`,

  `create table vm_presence (
     hostname ${HOSTNAME} primary key references vms on delete cascade,
     last_seen_at timestamptz not null default now(),
     boot_id text,
     free_disk_bytes bigint check (free_disk_bytes >= 0),
     confirms boolean not null default false,
     waiting_until timestamptz
   ) with (fillfactor = 50)`,
  `comment on table vm_presence is 'high-rate writes live here, so that they never lock what a claim looks for'`,
  `comment on column vm_presence.waiting_until is 'the lease of a waiting poll; renewed by the process that holds the poll'`,
  `comment on column vm_presence.confirms is 'its agent acknowledges what is delivered'`,

  `create table assignments (
     id uuid primary key,
     hostname ${HOSTNAME} not null references vms on delete cascade,
     email text not null check (length(email) <= 320),
     browsers text[] not null default '{}',
     crd_command text not null,
     pin text not null check (pin ~ '^[0-9]{6}$'),
     command_number integer not null default 1 check (command_number > 0),
     command_at timestamptz not null default now(),
     assigned_at timestamptz not null default now(),
     delivered_at timestamptz,
     acknowledged_at timestamptz,
     outcome text check (outcome in ('registered', 'failed')),
     outcome_message text,
     released_at timestamptz,
     pin_failures integer not null default 0,
     pin_locked_until timestamptz,
     check ((acknowledged_at is null) = (outcome is null))
   )`,
  `comment on column assignments.browsers is 'ids of the browsers it is bound to'`,
  `comment on column assignments.command_number is 'counts the commands given; delivered_at and outcome are those of the current one'`,
  `create unique index assignments_live_email on assignments (email) where released_at is null`,
  `create unique index assignments_live_hostname on assignments (hostname) where released_at is null`,
  `create index assignments_by_hostname on assignments (hostname)`,
  `create index assignments_by_browser on assignments using gin (browsers) where released_at is null`,
  `alter table vms add foreign key (assignment_id) references assignments on delete set null`,

  `create table vm_timings (
     hostname ${HOSTNAME} primary key references vms on delete cascade,
     provisioning_seconds double precision check (provisioning_seconds >= 0),
     cloud_init_start timestamptz,
     cloud_init_end timestamptz,
     cloud_init_seconds double precision check (cloud_init_seconds >= 0),
     container_start timestamptz,
     container_end timestamptz,
     container_seconds double precision check (container_seconds >= 0)
   )`,

  `create table vm_logs (
     hostname ${HOSTNAME} not null references vms on delete cascade,
     id bigint generated always as identity,
     received_at timestamptz not null default now(),
     line text not null,
     event_id text,
     primary key (hostname, id)
   )`,
  `create unique index vm_logs_event on vm_logs (hostname, event_id) where event_id is not null`,
  `create table vm_log_cuts (
     hostname ${HOSTNAME} primary key references vms on delete cascade,
     lines_cut bigint not null check (lines_cut >= 0)
   )`,

  `create table tombstones (
     hostname ${HOSTNAME} primary key,
     destroyed_at timestamptz not null default now()
   )`,
  `comment on table tombstones is 'destroyed hostnames: a late report of a dying VM recreates nothing'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
