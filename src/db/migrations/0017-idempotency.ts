// A request for an operation can be repeated: its key and what was asked are kept with the operation.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const statements = [
  `alter table operations
     add column idempotency_key text unique,
     add column idempotency_request text`,
  `comment on column operations.idempotency_key is 'from the request; a repetition with the same key gets this operation'`,
  `comment on column operations.idempotency_request is 'what was asked with that key'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
