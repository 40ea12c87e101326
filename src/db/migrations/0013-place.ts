// Where the machines of the deployment are, so that another region or account is noticed while they run.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table deployment_identity add region text, add account text`.execute(db);
  await sql`comment on column deployment_identity.region is 'where the last launch was, if the cloud has regions'`.execute(
    db,
  );
}
