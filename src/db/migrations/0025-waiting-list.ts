// The waiting list: who waits for a VM, in which order, and the VM that is reserved for somebody. Not breaking: an older program
// overlooks the list; a reserved VM that it assigns is found to be taken, and its reservation ends.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const HOSTNAME = 'text collate "C"';

const statements = [
  `create sequence waiting_list_position`,
  `create table waiting_list (
     id uuid primary key,
     email text not null unique check (length(email) <= 320),
     position bigint not null default nextval('waiting_list_position'),
     since timestamptz not null default now(),
     browsers text[] not null default '{}',
     code text not null check (code ~ '^[0-9]{6}$'),
     code_failures integer not null default 0,
     code_locked_until timestamptz,
     called_at timestamptz,
     reserved_vm ${HOSTNAME} references vms on delete set null,
     missed integer not null default 0,
     left_at timestamptz,
     left_reason text check (left_reason in ('missed', 'removed')),
     unique (reserved_vm) deferrable initially deferred,
     check ((left_at is null) = (left_reason is null)),
     check (left_at is null or reserved_vm is null)
   )`,
  `comment on column waiting_list.position is 'the order; who joins gets the next number, who is moved another one'`,
  `comment on column waiting_list.browsers is 'ids of the browsers that may open this place'`,
  `comment on column waiting_list.code is 'with which another browser may open it'`,
  `comment on column waiting_list.called_at is 'an admin wants the next VM reserved for this person, present or not'`,
  `comment on column waiting_list.missed is 'how many reservations ran out'`,
  `create index waiting_list_by_browser on waiting_list using gin (browsers)`,

  `create table waiting_presence (
     id uuid primary key references waiting_list on delete cascade,
     present_at timestamptz not null default now(),
     best_estimate_step integer
   ) with (fillfactor = 50)`,
  `comment on table waiting_presence is 'pages ask all the time: that must not touch the rows of the list'`,
  `comment on column waiting_presence.best_estimate_step is 'the shortest wait that the page has shown; see vms/waiting.ts'`,

  `alter table vms add column reserved_for uuid unique references waiting_list on delete set null,
     add column reserved_until timestamptz`,
  `comment on column vms.reserved_for is 'no claim of anybody else takes it; in this row, because it is the row that claims lock'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
