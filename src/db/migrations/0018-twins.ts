// Two machines under one hostname, since when the GPU is as it is, and the network of a requester.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table vm_presence add boot_address text, add earlier_boots text[] not null default '{}'`,
  `comment on column vm_presence.boot_address is 'from which the last heartbeat came'`,
  `comment on column vm_presence.earlier_boots is 'boot ids before the present one, the newest first; one that comes back belongs to another machine'`,
  `alter table vms add twin_since timestamptz, add twin_addresses text[], add gpu_since timestamptz`,
  `comment on column vms.twin_since is 'two machines report under this hostname: not assigned until an admin marks it as healthy'`,
  `comment on column vms.twin_addresses is 'from which the two reported'`,
  `comment on column vms.gpu_since is 'when gpu_health changed last'`,

  `alter table assignments add requested_network text`,
  `comment on column assignments.requested_network is 'of requested_from: an IPv6 client has many addresses'`,
  `update assignments set requested_network = requested_from`,
  `drop index assignments_by_requester`,
  `create index assignments_by_network on assignments (requested_network) where released_at is null`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
