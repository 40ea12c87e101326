// Which backups were made, so that allocators that share a database make each once and its age is known; and whether this database
// comes from one.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table backups (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('scheduled', 'command', 'upgrade')),
    at timestamptz not null default now(),
    place text not null,
    bytes bigint check (bytes >= 0),
    problem text,
    check ((bytes is null) <> (problem is null))
  )`.execute(db);
  await sql`comment on column backups.at is 'what the backup contains is the database at this time; of a failure, when it was tried'`.execute(
    db,
  );
  await sql`create index backups_by_time on backups (at)`.execute(db);
  await sql`alter table deployment_identity
    add column restored_at timestamptz,
    add column restore_pending boolean not null default false`.execute(db);
  await sql`comment on column deployment_identity.restored_at is 'when this database was restored from a backup; null: never'`.execute(
    db,
  );
  await sql`comment on column deployment_identity.restore_pending is 'restored, and not yet compared with the machines that exist'`.execute(
    db,
  );
}
