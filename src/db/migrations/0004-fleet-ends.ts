// When machines end, what they cost, destroys of single machines, and the deployment's uid.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';

const statements = [
  `alter table operations
     add column ends_at timestamptz,
     add column hostnames text[] check (cardinality(hostnames) > 0)`,
  `comment on column operations.ends_at is 'when the machines of a launch are to end; null = no end'`,
  `comment on column operations.hostnames is 'the machines that a destroy is about; null = all'`,

  `alter table vms
     add column provider_id text,
     add column ends_at timestamptz,
     add column wanted_ends_at timestamptz,
     add column end_problem text,
     add column end_told_at timestamptz`,
  `comment on column vms.provider_id is 'what the provider calls the machine, such as an EC2 instance id'`,
  `comment on column vms.ends_at is 'what the machine itself is armed to; null = no end'`,
  `comment on column vms.wanted_ends_at is 'what it is to be armed to; null = it is'`,
  `comment on column vms.end_problem is 'why it could not be told its new end'`,
  `comment on column vms.end_told_at is 'when it was told (audit) that its end has come'`,
  `create index vms_by_end on vms (ends_at) where ends_at is not null`,

  `create table machine_hours (
     id bigint generated always as identity primary key,
     hostname ${HOSTNAME} not null,
     operation_id uuid references operations on delete set null,
     provider text not null check (provider in ('aws', 'local', 'external')),
     instance_type text,
     made_at timestamptz not null default now(),
     gone_at timestamptz check (gone_at >= made_at)
   )`,
  `comment on table machine_hours is 'what costs money: every machine that was made, kept when it is gone'`,
  `create unique index machine_hours_living on machine_hours (hostname) where gone_at is null`,
  `create index machine_hours_by_operation on machine_hours (operation_id)`,

  `insert into machine_hours (hostname, operation_id, provider, made_at)
     select hostname, operation_id, provider, created_at from vms where provider <> 'external'`,

  `create table deployment_identity (
     only_one boolean primary key default true check (only_one),
     uid text not null check (length(uid) between 16 and 64)
   )`,
  `comment on table deployment_identity is 'the random tag by which machines are known to be of this deployment'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
