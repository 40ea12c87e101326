// Who requested an assignment, browsers that lost access, addresses in the audit, and secrets that allocators share.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table assignments add requested_from text`,
  `comment on column assignments.requested_from is 'the address of the request that created the assignment'`,
  `alter table assignments add ended_browsers text[] not null default '{}'`,
  `comment on column assignments.ended_browsers is 'ids of the browsers that an admin has ended: they need the PIN, whatever is allowed'`,
  `create index assignments_by_requester on assignments (requested_from) where released_at is null`,

  `alter table audit_events add address text`,
  `comment on column audit_events.address is 'of the client, where it is known'`,

  `alter table deployment_identity add secret_fingerprint text, add ssh_key text, add forwarder_token text`,
  `comment on column deployment_identity.secret_fingerprint is 'derived from SECRET_KEY: every allocator of this database has the same one'`,
  `comment on column deployment_identity.ssh_key is 'sealed with a key that is derived from SECRET_KEY'`,
  `comment on column deployment_identity.forwarder_token is 'sealed with a key that is derived from SECRET_KEY'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
