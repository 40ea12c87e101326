// Which allocator holds the poll of a VM: where a poll moved from one to another, the old one must not end the lease of the new one.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table vm_presence add column waits_at uuid`.execute(db);
  await sql`comment on column vm_presence.waits_at is 'the allocator that holds the newest poll; a number of its process'`.execute(
    db,
  );
}
