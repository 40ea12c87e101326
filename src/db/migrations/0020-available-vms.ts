// Free VMs whose agents wait are found by an index. Not breaking: an older program leaves the column false, and such a VM is
// found among those that were seen recently.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table vm_presence add column available boolean not null default false`,
  `comment on column vm_presence.available is 'the agent waits and the VM is not assigned, as of the last change or renewal of its lease; a hint for claims, which look at vms'`,
  `create index vm_presence_available on vm_presence (hostname) where available`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
