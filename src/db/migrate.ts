// Brings the schema up to date, under a lock, so that processes that start together wait for each other. A program that
// is older than a breaking migration rejects the schema.
import { sql, type Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { fail, succeed, type Result } from '../result.ts';
import { migrations as allMigrations, type ListedMigration } from './migrations/list.ts';

/** Key of the advisory lock that serializes migrations; an arbitrary constant. */
const MIGRATION_LOCK = 7_236_001;
/** The table that older and newer programs can both read. */
const COMPATIBILITY = 'schema_compatibility';

/** The names of the migrations that were applied. */
export type MigrateResult = Result<readonly string[]>;

/** Called under the lock, before a database that is in use is changed. A failure prevents it. */
export type BeforeMigrating = (missing: readonly string[]) => Promise<Result>;

/**
 * Applies the missing migrations. Fails with `schema_too_new` if a newer program made a breaking change. A migration that
 * fails is rolled back, and its error is thrown.
 */
export async function migrateToLatest<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[] = allMigrations,
  before?: BeforeMigrating,
): Promise<MigrateResult> {
  return db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`.execute(connection);
    try {
      return await migrateUnderLock(connection, migrations, before);
    } finally {
      await sql`select pg_advisory_unlock(${MIGRATION_LOCK})`.execute(connection);
    }
  });
}

async function migrateUnderLock<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[],
  before?: BeforeMigrating,
): Promise<MigrateResult> {
  await createCompatibilityTable(db);
  const known = new Set(migrations.map(({ name }) => name));
  const applied = await appliedMigrations(db);
  const foreign = applied.filter(({ name }) => !known.has(name));
  const breaking = foreign.filter((migration) => migration.breaking).map(({ name }) => name);
  if (breaking.length > 0) {
    return fail({
      code: 'schema_too_new',
      message: `A newer version of LabLink has changed this database (${breaking.join(', ')}). This version cannot use it.`,
      remedy: 'Start the newer version, or restore a backup from before it ran.',
    });
  }
  if (foreign.length > 0) return succeed([]);
  const present = new Set(applied.map(({ name }) => name));
  const missing = migrations.flatMap(({ name }) => (present.has(name) ? [] : [name]));
  if (applied.length > 0 && missing.length > 0 && before !== undefined) {
    const ready = await before(missing);
    if (!ready.ok) return ready;
  }
  return succeed(await applyMissing(db, migrations));
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

/** Applies migrations to a database that nobody else uses, in the transaction that `db` is in. */
export async function migrateWithin<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[],
): Promise<void> {
  await createCompatibilityTable(db);
  await applyMissing(db, migrations, true);
}

async function applyMissing<DB>(
  db: Kysely<DB>,
  migrations: readonly ListedMigration[],
  disableTransactions = false,
): Promise<string[]> {
  const migrator = new Migrator({
    db,
    disableTransactions,
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
