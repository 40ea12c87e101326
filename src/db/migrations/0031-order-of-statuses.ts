// When the last status report that counted was made: in which boot, and how long after that boot. A report that was held up on its
// way is not taken for a newer one. Not breaking: an older program leaves the columns as they are.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql
    .raw(`alter table vms add column reported_boot_id text, add column reported_uptime_ms bigint`)
    .execute(db);
}
