// The list of providers stands in the program alone: the database keeps their names as text.
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table vms drop constraint vms_provider_check`.execute(db);
  await sql`alter table vm_hours drop constraint machine_hours_provider_check`.execute(db);
}
