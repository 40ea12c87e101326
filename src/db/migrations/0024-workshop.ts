// The organiser's settings, the roster, a roster that was uploaded and not taken yet, and who asked without being on the roster.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `create table settings (
     key text primary key,
     value jsonb not null,
     changed_at timestamptz not null default now(),
     changed_by text not null
   )`,
  `comment on table settings is 'what an admin has set; a setting without a row has the default of the configuration'`,
  `create table roster (
     email text primary key,
     name text not null default '',
     group_name text not null default '',
     note text not null default '',
     added_at timestamptz not null default now(),
     added_by text not null
   )`,
  `create table roster_uploads (
     id uuid primary key,
     entries jsonb not null,
     uploaded_at timestamptz not null default now(),
     uploaded_by text not null
   )`,
  `comment on table roster_uploads is 'shown as a preview; taken or forgotten'`,
  `create table roster_requests (
     email text primary key,
     times int not null default 1,
     first_at timestamptz not null default now(),
     last_at timestamptz not null default now()
   )`,
  `create index roster_requests_by_time on roster_requests (last_at)`,
  `comment on table roster_requests is 'who asked for a machine without being on the roster'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
