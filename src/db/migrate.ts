// Brings the schema up to date, under a lock. Processes that start at once wait for each other; a program that is older
// than a breaking migration refuses the schema.
import { sql, type Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { migrations as allMigrations, type ListedMigration } from './migrations/list.ts';

/** Key of the advisory lock that serializes migrations; any constant of ours. */
const MIGRATION_LOCK = 7_236_001;
/** What a table of this name says survives older and newer programs alike. */
const COMPATIBILITY = 'schema_compatibility';

export type MigrateResult =
  | { readonly ok: true; readonly applied: readonly string[] }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

/**
 * Applies the migrations that are missing. Refuses (ok: false) a schema that a newer program has changed in a way that
 * this one cannot work with. A migration that fails is rolled back, and its error thrown.
 */
export async function migrateToLatest<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[] = allMigrations,
): Promise<MigrateResult> {
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`.execute(connection);
    try {
      return await migrateUnderLock(connection, migrations);
    } finally {
      await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`.execute(connection);
    }
  });
}

async function migrateUnderLock<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[],
): Promise<MigrateResult> {
  await createCompatibilityTable(db);
  const known = new Set(migrations.map(({ name }) => name));
  const foreign = (await appliedMigrations(db)).filter(({ name }) => !known.has(name));
  const breaking = foreign.filter((migration) => migration.breaking).map(({ name }) => name);
  if (breaking.length > 0) {
    return {
      ok: false,
      problem: `A newer version of LabLink has changed this database (${breaking.join(', ')}); this version cannot work with it.`,
      remedy: 'Start the newer version, or restore a backup that was made before it ran.',
    };
  }
  if (foreign.length > 0) return { ok: true, applied: [] };
  return { ok: true, applied: await applyMissing(db, migrations) };
}

async function createCompatibilityTable<DB>(db: Kysely<DB>): Promise<void> {
  await sql`create table if not exists ${sql.table(COMPATIBILITY)} (
    migration text primary key,
    breaking boolean not null
  )`.execute(db);
}

async function appliedMigrations<DB>(db: Kysely<DB>): Promise<{ name: string; breaking: boolean }[]> {
  const { rows } = await sql<{ name: string; breaking: boolean }>`
    select migration as name, breaking from ${sql.table(COMPATIBILITY)} order by migration`.execute(db);
  return rows;
}

async function applyMissing<DB>(db: Kysely<DB>, migrations: readonly ListedMigration[]): Promise<string[]> {
  const migrator = new Migrator({
    db,
    provider: {
      getMigrations: () =>
        Promise.resolve(Object.fromEntries(migrations.map(({ name, migration }) => [name, migration]))),
    },
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error !== undefined)
    throw error instanceof Error ? error : new Error('a migration failed', { cause: error });
  const applied = (results ?? [])
    .filter(({ status }) => status === 'Success')
    .map((result) => result.migrationName);
  for (const { name, breaking } of migrations) {
    await sql`insert into ${sql.table(COMPATIBILITY)} values (${name}, ${breaking}) on conflict do nothing`.execute(
      db,
    );
  }
  return applied;
}
