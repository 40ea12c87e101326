// Empties the database of a test.
import { sql } from 'kysely';
import type { Db } from '../../src/db/connect.ts';
import { errorCode } from '../../src/db/errors.ts';

/** What the schema and the deployment are known by. */
const KEPT = [
  'kysely_migration',
  'kysely_migration_lock',
  'schema_compatibility',
  'deployment_identity',
] as const;

/**
 * Deletes the rows of all our tables, once the statements that run have ended; rows that come are numbered from 1 again. A TRUNCATE
 * makes the files of every table and index anew, which takes ten times as long. Triggers and foreign keys rest meanwhile.
 */
export async function emptyTables(db: Db): Promise<void> {
  for (let attempt = 1; ; attempt += 1)
    try {
      await emptyOnce(db);
      return;
    } catch (error) {
      // A transaction of the server that runs holds one table and wants another one, which the locks below have by then.
      if (errorCode(error) !== DEADLOCK_DETECTED || attempt === ATTEMPTS) throw error;
    }
}

const DEADLOCK_DETECTED = '40P01';
const ATTEMPTS = 5;

async function emptyOnce(db: Db): Promise<void> {
  const kept = sql.join(KEPT.map((name) => sql.lit(name)));
  await sql`do $$
    declare
      names text[] := array(select format('%I', tablename) from pg_tables
        where schemaname = 'public' and tablename not in (${kept}) order by tablename);
      name text;
    begin
      set local session_replication_role = replica;
      execute 'lock table ' || array_to_string(names, ', ') || ' in exclusive mode';
      foreach name in array names loop
        execute 'delete from ' || name;
      end loop;
      perform setval(oid, 1, false) from pg_class join pg_depend on objid = oid and deptype = 'i'
        where relkind = 'S' and refobjid = any(names::regclass[]);
    end $$`.execute(db);
}
