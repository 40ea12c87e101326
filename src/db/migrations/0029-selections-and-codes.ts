// Operations that release or restart several VMs, and whom they may affect; wrong workshop codes, counted for all allocators. Breaking: an older program does not know these kinds, and
// cannot show a list of operations that has one.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table operations drop constraint operations_kind_check,
     add constraint operations_kind_check check (kind in ('launch', 'destroy', 'release', 'restart')),
     add column assignment_ids uuid[]`,
  `comment on column operations.assignment_ids is 'of these hostnames, a VM with another live assignment is not touched; null: any may be'`,
  `alter table operation_vms drop constraint operation_vms_state_check,
     add constraint operation_vms_state_check check (state in ('waiting', 'created', 'failed', 'destroyed', 'done'))`,

  `create table wrong_codes (
     code text not null,
     minute timestamptz not null,
     times integer not null default 1,
     primary key (code, minute)
   )`,
  `comment on table wrong_codes is 'how often a wrong workshop code was sent, by the code that was valid; the last minutes alone'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
