// A backup that a released version has made, beside the rows that it had: a step of a release writes both.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { makeBackup } from '../../src/backup/make.ts';
import type { Db } from '../../src/db/connect.ts';
import { version } from '../../src/version.ts';
import { dumpRows } from './dump-rows.ts';
import { EXAMPLE, FREE } from './example-rows.ts';
import { createTestDatabase } from './postgres.ts';
import { loadReleased } from './released.ts';

const FOLDER = fileURLToPath(new URL('../fixtures', import.meta.url));
const NAME = 'released-backup.tar.zst.age';
const ROWS = join(FOLDER, 'released-backup.json');

export const RELEASED = {
  address: join(FOLDER, NAME),
  passphrase: 'the passphrase of a fixture',
  deployment: { name: 'lablink', environment: 'prod' },
  /** Path → content. */
  files: {
    'secret-key': 'k'.repeat(43),
    'admin-password': 'a password',
    'deployment-uid': 'a-uid-of-22-characters',
    'log-forwarder-token': 'a token',
    'pulumi-passphrase': 'a passphrase',
    'ssh/id_ed25519.sealed': 'sealed',
    'aws/state/.pulumi/stacks/lablink-lablink/prod.json': '{"state": 1}',
  },
} as const;

type Row = Readonly<Record<string, unknown>>;
/** Table → rows. */
export type ReleasedRows = Readonly<Record<string, readonly Row[]>>;

/** For tables that the other rows of the fixture leave empty. */
const more: Readonly<Record<string, string>> = {
  audit_events: `insert into audit_events (who, what, detail, hostname) values ('admin', 'release', 'joan@example.org', '${FREE[0]}')`,
  backups: `insert into backups (kind, place, bytes) values ('command', '/backups/one', 1234)`,
  deployment_identity: `insert into deployment_identity (uid) values ('a-uid-of-22-characters')`,
  operation_events: `insert into operation_events (operation_id, level, text) values ('${EXAMPLE.operationId}', 'error', 'a line')`,
  operation_vms: `insert into operation_vms (operation_id, hostname, state) values ('${EXAMPLE.operationId}', '${EXAMPLE.hostname}', 'created')`,
  roster: `insert into roster (email, name, group_name, note, added_by) values ('${EXAMPLE.email}', 'Grace', 'A', '', 'admin')`,
  roster_requests: `insert into roster_requests (email) values ('eve@example.org')`,
  vm_downloads: `insert into vm_downloads (hostname, downloaded_at, requested_by, files, bytes, complete, left_files, left_bytes, fingerprint)
    values ('${EXAMPLE.hostname}', now(), 'admin', 3, 4567, true, 0, 0, 'f')`,
  vm_hours: `insert into vm_hours (hostname, provider, created_at) values ('${EXAMPLE.hostname}', 'external', now())`,
  vm_presence: `insert into vm_presence (hostname, last_seen_at, boot_id) values ('${EXAMPLE.hostname}', now(), 'boot')`,
  vm_state_samples: `insert into vm_state_samples (free, assigned, in_use, initializing, recycling, failed, destroying) values (1, 2, 3, 4, 5, 6, 7)`,
  vm_timings: `insert into vm_timings (hostname, provisioning_seconds) values ('${EXAMPLE.hostname}', 12.5)`,
  waiting_presence: `insert into waiting_presence (id, present_at) values ('${EXAMPLE.placeId}', now() - interval '1 hour')`,
  wrong_codes: `insert into wrong_codes (code, minute, times) values ('ABCD2345', date_trunc('minute', now()), 2)`,
};

/** Every table of ours, also those of samples. */
export async function readRows(db: Db): Promise<ReleasedRows> {
  const { rows: samples } = await sql<{ row: string }>`
    select to_jsonb(s)::text as row from vm_state_samples s order by id`.execute(db);
  const all = { ...(await dumpRows(db)), vm_state_samples: samples.map(({ row }) => row) };
  return Object.fromEntries(
    Object.entries(all)
      .filter(([name]) => !name.startsWith('kysely_'))
      .map(([name, rows]) => [name, rows.map((row) => JSON.parse(row) as Row)]),
  );
}

/** So that no table of `loadReleased` is without a row. */
export async function fillEmptyTables(db: Db): Promise<void> {
  for (const [table, rows] of Object.entries(await readRows(db)))
    if (rows.length === 0 && more[table] !== undefined) await sql.raw(more[table]).execute(db);
}

/** From the present version, after `writeReleased`. */
export async function writeReleasedBackup(): Promise<void> {
  await using database = await createTestDatabase('empty');
  const { db, connectionString } = database;
  await loadReleased(connectionString);
  await fillEmptyTables(db);
  const rows = await readRows(db);
  const empty = Object.keys(rows).filter((table) => rows[table]?.length === 0);
  if (empty.length > 0) throw new Error(`Add a row here for: ${empty.join(', ')}.`);
  const dataDir = await mkdtemp(join(tmpdir(), 'lablink-released-'));
  for (const [path, text] of Object.entries(RELEASED.files)) {
    await mkdir(join(dataDir, path, '..'), { recursive: true });
    await writeFile(join(dataDir, path), text);
  }
  await rm(RELEASED.address, { force: true });
  const { passphrase, deployment } = RELEASED;
  const source = { connectionString, dataDir, configured: {}, deployment, version };
  const made = await makeBackup({ source, passphrase, place: FOLDER, name: NAME });
  await rm(dataDir, { recursive: true });
  if (!made.ok) throw new Error(made.failure.message);
  await writeFile(ROWS, `${JSON.stringify({ version, rows }, null, 1)}\n`);
}

export async function readReleasedRows(): Promise<{ readonly version: string; readonly rows: ReleasedRows }> {
  return JSON.parse(await readFile(ROWS, 'utf8')) as { version: string; rows: ReleasedRows };
}
