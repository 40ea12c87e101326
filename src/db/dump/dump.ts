// Reads all of our rows as they were at one moment, while others go on writing: COPY in one transaction that sees one snapshot. The
// queue is left out: at a start its jobs follow from the operations.
import { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { fail, succeed, type Result } from '../../result.ts';
import { migrations } from '../migrations/list.ts';
import { DUMPED_TABLES, type RowFormat } from './tables.ts';

export type DumpedTable = {
  readonly name: string;
  readonly columns: readonly string[];
  readonly format: RowFormat;
};

/** What a dump is of. */
export type DumpInfo = {
  /** When the snapshot was taken, by the clock of the database. */
  readonly at: string;
  /** The server's version, such as `18.4`. */
  readonly postgres: string;
  /** Those that the schema has, in order. */
  readonly migrations: readonly string[];
  readonly tables: readonly DumpedTable[];
};

/** The position of a sequence: the last number that it gave. */
export type SequencePosition = { readonly name: string; readonly last: number };

export type Dump = {
  readonly info: DumpInfo;
  /** The rows of one table as COPY writes them in its format, in pieces that end anywhere. */
  readonly rowsOf: (table: DumpedTable) => AsyncIterable<Uint8Array>;
  /** Call it last: sequences are no part of the snapshot, and these must not be behind its rows. */
  readonly sequences: () => Promise<readonly SequencePosition[]>;
};

/** The same text on every server, whatever its settings are; and as much time as it takes. */
const SESSION = `set statement_timeout = 0; set idle_in_transaction_session_timeout = 0; set lock_timeout = 0;
  set client_encoding = 'UTF8'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC';
  set extra_float_digits = 1; set bytea_output = 'hex'`;
const CONNECT_MS = 10_000;

/** Connects, and holds the snapshot as long as `work` runs. @param connectionString of Postgres itself, past a pooler */
export async function withDump<T>(
  connectionString: string,
  work: (dump: Dump) => Promise<T>,
): Promise<Result<T>> {
  const client = new Client({
    connectionString,
    application_name: 'lablink backup',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  });
  // The running query is rejected, which is enough.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(SESSION);
    await client.query('begin isolation level repeatable read, read only');
    const info = await readInfo(client);
    if (!info.ok) return info;
    return succeed(
      await work({
        info: info.value,
        rowsOf: (table) =>
          client.query(copyTo(`copy ${columnsOf(table)} to stdout (format ${table.format})`)),
        sequences: async () => {
          const { rows } = await client.query<{ name: string; last: string }>(
            `select sequencename as name, last_value as last from pg_sequences
             where schemaname = current_schema() and last_value is not null order by 1`,
          );
          return rows.map(({ name, last }) => ({ name, last: Number(last) }));
        },
      }),
    );
  } finally {
    await client.end();
  }
}

async function readInfo(client: Client): Promise<Result<DumpInfo>> {
  const applied = await appliedMigrations(client);
  if (applied.length === 0)
    return fail({
      code: 'empty',
      message: 'The database is empty: no allocator has used it.',
      remedy: 'Check DATA_DIR and DATABASE_URL.',
    });
  const known = new Set(migrations.map(({ name }) => name));
  const newer = applied.filter((name) => !known.has(name));
  if (newer.length > 0)
    return fail({
      code: 'schema_too_new',
      message: `A newer version of LabLink has changed this database (${newer.join(', ')}); this version does not know all of it.`,
      remedy: 'Make the backup with the newer version.',
    });
  const { rows } = await client.query<{ at: string; postgres: string }>(
    `select to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, current_setting('server_version') as postgres`,
  );
  const [row] = rows;
  if (!row) throw new Error('the server does not say its version');
  return succeed({ ...row, migrations: applied, tables: await readTables(client, applied) });
}

/** Empty if there is no schema of ours. */
async function appliedMigrations(client: Client): Promise<string[]> {
  const { rows: there } = await client.query<{ exists: boolean }>(
    `select to_regclass('schema_compatibility') is not null as exists`,
  );
  if (there[0]?.exists !== true) return [];
  const { rows } = await client.query<{ name: string }>(
    'select migration as name from schema_compatibility order by 1',
  );
  return rows.map(({ name }) => name);
}

/** Of an earlier schema all are text: the program that made it must be able to read them, to go back after an upgrade. */
async function readTables(client: Client, applied: readonly string[]): Promise<DumpedTable[]> {
  const isPresent = applied.length === migrations.length;
  const { rows } = await client.query<Omit<DumpedTable, 'format'>>(
    `select table_name::text as name, array_agg(column_name::text order by ordinal_position) as columns
     from information_schema.columns
     where table_schema = current_schema() and table_name = any($1) and is_generated = 'NEVER'
     group by 1 order by 1`,
    [[...DUMPED_TABLES.keys()]],
  );
  return rows.map((table) => ({
    ...table,
    format: (isPresent && DUMPED_TABLES.get(table.name)) || 'text',
  }));
}

/** The table and its columns, for COPY. */
export function columnsOf({ name, columns }: DumpedTable): string {
  return `${quote(name)} (${columns.map(quote).join(', ')})`;
}

/** An identifier in SQL. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
