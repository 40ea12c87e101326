// Writes a dump into an empty database, in one transaction: all of it is there afterwards, or nothing. References, indexes and triggers
// are left out until the rows are there, which is several times as fast, and needs no order of the tables.
import { once } from 'node:events';
import { Kysely, PostgresDialect } from 'kysely';
import { Client } from 'pg';
import { from as copyFrom, type CopyStreamQuery } from 'pg-copy-streams';
import { fail, succeed, type Result } from '../../result.ts';
import type { Db } from '../connect.ts';
import { migrateWithin } from '../migrate.ts';
import { migrations } from '../migrations/list.ts';
import type { DB } from '../schema.gen.ts';
import { columnsOf, quote, type DumpedTable, type DumpInfo, type SequencePosition } from './dump.ts';

/** Takes the rows of a dump. */
export type Load = {
  /** All pieces of one table, in order. */
  readonly copy: (table: DumpedTable, pieces: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly setSequences: (positions: readonly SequencePosition[]) => Promise<void>;
};

export type LoadOptions = {
  /** Of Postgres itself, past a pooler. The caller has the database alone. */
  readonly connectionString: string;
  readonly info: Pick<DumpInfo, 'migrations' | 'tables'>;
  /** How far the sequences go on after the last number that the dump knows. */
  readonly gap: number;
  /** Runs in the transaction, on the present schema, when everything else is done. */
  readonly finish?: (db: Db) => Promise<void>;
};

const CONNECT_MS = 10_000;
/**
 * Keys of text are compared in memory, at random: sorted in pieces that the caches of a processor nearly hold, and merged, an index of
 * three million rows takes 4 s of processor time, and 5.7 s with 128 MB. With less, the largest tables are merged twice.
 */
const SORT_MEMORY = '32MB';
const SESSION = `set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = 0;
  set client_encoding = 'UTF8'; set maintenance_work_mem = '${SORT_MEMORY}'; set client_min_messages = 'warning'`;
/** Postgres itself would not divide the work on an index with so little memory. */
const WORKERS = 2;
const LARGE_TABLE_BYTES = 64 * 1024 * 1024;
/** People see these numbers: no gap. */
const SHOWN_SEQUENCES: readonly string[] = ['operations_number_seq'];
const QUEUE_SCHEMA = 'lablink_queue';

const NOT_EMPTY = fail({
  code: 'not_empty',
  message: 'The database already contains the tables of an allocator.',
  remedy:
    'Restore into an empty one. With the embedded database, stop the allocator and move its data folder away, or set DATA_DIR to a new folder; with your own server, create another database (`create database …`) and set DATABASE_URL to it.',
});

/** Whether this version can load such a dump. */
export function checkLoadable({ migrations: wanted, tables }: LoadOptions['info']): Result {
  const known = new Set(migrations.map(({ name }) => name));
  const newer = wanted.filter((name) => !known.has(name));
  if (newer.length === 0 && tables.length > 0) return succeed();
  return fail({
    code: 'too_new',
    message: `A newer version of LabLink made it: this version does not know ${newer.join(', ')}.`,
    remedy: 'Restore it with that version, or a later one.',
  });
}

/** Loads, and brings the schema up to date. Fails where the database is not empty; any other error is thrown. */
export async function loadDump<T>(
  options: LoadOptions,
  work: (load: Load) => Promise<Result<T>>,
): Promise<Result<T>> {
  const { connectionString, info, finish } = options;
  const loadable = checkLoadable(info);
  if (!loadable.ok) return loadable;
  const client = new Client({
    connectionString,
    application_name: 'lablink restore',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(SESSION);
    await client.query('begin');
    if (await hasTables(client)) return NOT_EMPTY;
    const db = kyselyOn(client);
    const wanted = new Set(info.migrations);
    await migrateWithin(
      db,
      migrations.filter(({ name }) => wanted.has(name)),
    );
    const names = info.tables.map(({ name }) => name);
    const unchecked = await dropChecks(client);
    const left = await leaveOut(client, names, unchecked);
    const done = await work(loadOn(client, options));
    if (!done.ok) return done;
    await withWorkers(client, names, async () => {
      for (const statement of left) await client.query(statement);
    });
    if (unchecked) await client.query('set local session_replication_role = origin');
    await migrateWithin(db, migrations);
    await finish?.(db);
    await client.query('commit');
    await client.query('analyze');
    return done;
  } finally {
    // Without a commit, nothing has happened.
    await client.end();
  }
}

async function hasTables(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ some: boolean }>(
    `select to_regclass('schema_compatibility') is not null or to_regclass('vms') is not null
       or to_regnamespace('${QUEUE_SCHEMA}') is not null as some`,
  );
  return rows[0]?.some === true;
}

/** A database that is this one connection, in whatever transaction it is. */
function kyselyOn(client: Client): Kysely<DB> {
  const connection = Object.assign(client, { release: () => undefined });
  const pool = { options: {}, connect: () => Promise.resolve(connection), end: () => Promise.resolve() };
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) });
}

function loadOn(client: Client, { gap }: LoadOptions): Load {
  return {
    // Frozen, which the transaction that has created the table may do: no later vacuum or reader writes its pages again.
    copy: async (table, pieces) => {
      const copy = client.query(
        copyFrom(`copy ${columnsOf(table)} from stdin (format ${table.format}, freeze)`),
      );
      return writeAll(copy, pieces);
    },
    setSequences: async (positions) => {
      for (const { name, last } of positions) {
        const next = SHOWN_SEQUENCES.includes(name) ? last : last + gap;
        await client.query(`select setval(to_regclass($1), $2) where to_regclass($1) is not null`, [
          quote(name),
          next,
        ]);
      }
    },
  };
}

async function writeAll(copy: CopyStreamQuery, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const ended = Promise.withResolvers<undefined>();
  copy.on('error', ended.reject);
  copy.on('finish', () => ended.resolve(undefined));
  ended.promise.catch(() => undefined);
  try {
    for await (const piece of pieces)
      if (!copy.write(piece)) await Promise.race([once(copy, 'drain'), ended.promise]);
  } catch (error) {
    copy.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
  copy.end();
  await ended.promise;
}

/** While `work` runs, indexes of large tables are made by several processes. */
async function withWorkers(
  client: Client,
  tables: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const { rows: large } = await client.query<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
     where c.relnamespace = current_schema()::regnamespace and c.relname = any($1) and pg_relation_size(c.oid) > $2`,
    [tables, LARGE_TABLE_BYTES],
  );
  for (const { name } of large) await client.query(`alter table ${name} set (parallel_workers = ${WORKERS})`);
  await work();
  for (const { name } of large) await client.query(`alter table ${name} reset (parallel_workers)`);
}

/** A superuser's rows need no check of references, which the database had checked that they come from. False: it is none. */
async function dropChecks(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ is: string }>(`select current_setting('is_superuser') as is`);
  const isSuperuser = rows[0]?.is === 'on';
  if (isSuperuser) await client.query('set local session_replication_role = replica');
  return isSuperuser;
}

/**
 * Drops references, keys and indexes, and switches triggers off. Returns the statements that undo it. Where references are not
 * checked they stay, and with them the keys that they lead to, which are of small tables.
 */
async function leaveOut(client: Client, tables: readonly string[], unchecked: boolean): Promise<string[]> {
  const { rows } = await client.query<{ drop: string; restore: string }>(
    `with ours as (select c.oid, c.oid::regclass::text as name from pg_class c
       where c.relnamespace = current_schema()::regnamespace and c.relname = any($1))
     select format('alter table %s drop constraint %I', t.name, k.conname) as drop,
       format('alter table %s add constraint %I %s', t.name, k.conname, pg_get_constraintdef(k.oid)) as restore,
       case k.contype when 'f' then 1 else 3 end as step
     from pg_constraint k join ours t on t.oid = k.conrelid where k.contype in ('f', 'p', 'u')
       and not ($2 and exists (select from pg_constraint f where f.contype = 'f' and k.conindid = f.conindid))
     union all
     select format('drop index %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid), 2
     from pg_index i join ours t on t.oid = i.indrelid
     where not exists (select from pg_constraint k where k.conindid = i.indexrelid)
     union all
     select format('alter table %s disable trigger user', name), format('alter table %s enable trigger user', name), 4
     from ours
     order by step, 1`,
    [tables, unchecked],
  );
  for (const { drop } of rows) await client.query(drop);
  return rows.map(({ restore }) => restore).reverse();
}
