// What was last downloaded of each machine, and when.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';

const statements = [
  `create table vm_downloads (
     hostname ${HOSTNAME} primary key references vms on delete cascade,
     downloaded_at timestamptz not null,
     requested_by text not null,
     files integer not null check (files >= 0),
     bytes bigint not null check (bytes >= 0),
     complete boolean not null,
     left_files integer not null check (left_files >= 0),
     left_bytes bigint not null check (left_bytes >= 0),
     fingerprint text not null
   )`,
  `comment on column vm_downloads.downloaded_at is 'when the download began: what changed after it may not be in it'`,
  `comment on column vm_downloads.fingerprint is 'of names, sizes and times of the files that were found then; another one now tells that something changed'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
