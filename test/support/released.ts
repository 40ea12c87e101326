// The database of a released version, as a file of SQL: its schema as that version made it, whatever becomes of the migrations, and rows.
import { readFile, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Kysely, PostgresDialect, sql, type CompiledQuery } from 'kysely';
import { Client, escapeLiteral, Pool } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { withDump } from '../../src/db/dump/dump.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { version } from '../../src/version.ts';
import { EXAMPLE, seedLab } from './example-rows.ts';
import { createTestDatabase } from './postgres.ts';

const FILE = new URL('../fixtures/released.sql', import.meta.url);
const READS = /^\s*(select|begin|commit|set|show|with)\b/i;
const COPY = /^copy .* from stdin;$/;

/** Writes the file, from the present version: a step of a release. */
export async function writeReleased(): Promise<void> {
  await using database = await createTestDatabase('empty');
  const statements: string[] = [];
  const pool = new Pool({ connectionString: database.connectionString, max: 1 });
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool }),
    log: ({ level, query }) => {
      if (level === 'query' && !READS.test(query.sql)) statements.push(withParameters(query));
    },
  });
  await migrateToLatest(db);
  await db.destroy();
  await seedLab(database.db);
  await sql`insert into settings (key, value, changed_by) values ('title', '"A workshop"', 'admin')`.execute(
    database.db,
  );
  await sql`insert into waiting_list (id, email, code) values (${EXAMPLE.placeId}, 'joan@example.org', '271828')`.execute(
    database.db,
  );
  const rows = await withDump(database.connectionString, async ({ info, rowsOf, sequences }) => {
    const blocks: string[] = [];
    for (const table of info.tables) {
      const text = Buffer.concat(await Array.fromAsync(rowsOf({ ...table, format: 'text' }))).toString(
        'utf8',
      );
      blocks.push(`copy ${table.name} (${table.columns.join(', ')}) from stdin;\n${text}\\.`);
    }
    for (const { name, last } of await sequences()) blocks.push(`select setval('${name}', ${last});`);
    return blocks;
  });
  if (!rows.ok) throw new Error(rows.failure.message);
  const header = `-- The database of version ${version}: \`RELEASE=1 vitest run test/backup/released.test.ts\` writes it, as a step of a release.`;
  const schema = statements.map((statement) => `${statement};`);
  await writeFile(
    FILE,
    `${[header, ...schema, 'set session_replication_role = replica;', ...rows.value].join('\n')}\n`,
  );
}

function withParameters({ sql, parameters }: CompiledQuery): string {
  return parameters.reduceRight<string>(
    (text, value, at) => text.replaceAll(`$${at + 1}`, () => escapeLiteral(String(value))),
    sql.trim(),
  );
}

/** Loads the file into an empty database, as psql would. */
export async function loadReleased(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    let statements: string[] = [];
    let copy: { readonly head: string; readonly lines: string[] } | null = null;
    for (const line of (await readFile(FILE, 'utf8')).split('\n')) {
      if (copy !== null && line === '\\.') {
        await pipeline(Readable.from(copy.lines), client.query(copyFrom(copy.head)));
        copy = null;
      } else if (copy !== null) {
        copy.lines.push(`${line}\n`);
      } else if (COPY.test(line)) {
        await client.query(statements.join('\n'));
        statements = [];
        copy = { head: line.slice(0, -1), lines: [] };
      } else statements.push(line);
    }
    await client.query(statements.join('\n'));
  } finally {
    await client.end();
  }
}
