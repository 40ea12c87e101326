// Operations: launches and destroys, what they told, who asked; and which launch a machine came from.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';
const ACTIVE = `status in ('queued', 'running')`;

const statements = [
  `create table operations (
     id uuid primary key,
     number bigint generated always as identity unique,
     kind text not null check (kind in ('launch', 'destroy')),
     status text not null default 'queued'
       check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
     requested_by text not null,
     requested_at timestamptz not null default now(),
     started_at timestamptz,
     ended_at timestamptz,
     cancel_requested_at timestamptz,
     num_vms integer check (num_vms > 0),
     done integer not null default 0 check (done >= 0),
     failed integer not null default 0 check (failed >= 0),
     total integer not null default 0 check (total >= 0),
     problem_kind text,
     problem text,
     remedy text,
     lease_owner text,
     lease_until timestamptz,
     check ((ended_at is null) = (${ACTIVE})),
     check ((problem is null) = (problem_kind is null) and (problem is null) = (remedy is null)),
     check (status <> 'running' or (lease_owner is not null and lease_until is not null))
   )`,
  `comment on column operations.number is 'the order in which they were asked for'`,
  `comment on column operations.num_vms is 'how many a launch was asked for'`,
  `comment on column operations.lease_until is 'renewed by the process that runs it; when it ran out, the operation was interrupted'`,
  `create unique index operations_one_active on operations ((true)) where ${ACTIVE}`,

  `create table operation_events (
     operation_id uuid not null references operations on delete cascade,
     id bigint generated always as identity,
     at timestamptz not null default now(),
     level text not null check (level in ('info', 'warning', 'error')),
     hostname ${HOSTNAME},
     text text not null,
     primary key (operation_id, id)
   )`,
  `comment on table operation_events is 'append-only; ids of one operation are in the order of commits, because the writer locks its row'`,

  `create table audit_events (
     id bigint generated always as identity primary key,
     at timestamptz not null default now(),
     who text not null,
     what text not null,
     detail text not null default '',
     operation_id uuid references operations on delete set null
   )`,
  `create index audit_events_by_operation on audit_events (operation_id)`,

  `alter table vms
     add column operation_id uuid references operations on delete set null,
     add column status_before_destroy text`,
  `comment on column vms.operation_id is 'the launch that made it'`,
  `comment on column vms.status_before_destroy is 'what it goes back to when the destroy did not end it'`,
  `create index vms_by_operation on vms (operation_id) where operation_id is not null`,

  `alter table tombstones add column token_hash bytea`,
  `comment on column tombstones.token_hash is 'a dying machine is still known by its token'`,
  `create index tombstones_by_token on tombstones (token_hash) where token_hash is not null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
