// Accounts of admins and instructors. Not breaking: an older program knows the admin of its configuration only.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `create table accounts (
     name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$'),
     role text not null check (role in ('instructor', 'admin')),
     password_hash text not null,
     created_at timestamptz not null default now(),
     created_by text not null,
     changed_at timestamptz not null default now(),
     changed_by text not null,
     disabled_at timestamptz,
     last_used_at timestamptz
   )`,
  `create unique index accounts_by_name on accounts (lower(name))`,
  `comment on table accounts is 'who may sign in, besides the admin of the configuration'`,
  `comment on column accounts.password_hash is 'argon2id, with its parameters and salt'`,
  `comment on column accounts.last_used_at is 'when the password was last checked; within a few minutes of the last request'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
