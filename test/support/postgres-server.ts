// The embedded Postgres of one test run, in a temporary folder and without fsync.
import { rm } from 'node:fs/promises';
import { Client } from 'pg';
import { connectDatabase } from '../../src/db/connect.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { migrateToLatest } from '../../src/db/migrate.ts';
import { createQueue } from '../../src/provision/queue.ts';
import { endLeftovers, makeTemporaryFolder } from './leftovers.ts';

/** Cloned for every test database. It allows no connections, because a database in use cannot be cloned. */
export const TEMPLATE_DATABASE = 'lablink_template';

/** Nothing has to survive this server, and what it does beside the tests costs their time: a quarter of each clone. */
const forgetful = {
  max_connections: '300',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '1GB',
  wal_init_zero: 'off',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  shared_buffers: '16MB',
};

export type TestPostgres = { readonly connectionString: string; readonly stop: () => Promise<void> };

/** Starts the server and creates the migrated template. */
export async function startTestPostgres(): Promise<TestPostgres> {
  await endLeftovers();
  const dataDir = await makeTemporaryFolder(process.pid);
  const started = await startEmbeddedPostgres({
    dataDir,
    settings: forgetful,
    log: console.log,
    env: process.env,
    platform: thisPlatform(),
  });
  if (!started.ok) throw new Error(`${started.failure.message} ${started.failure.remedy}`);
  const { connectionString, stop } = started.value;
  await makeTemplate(connectionString);
  return {
    connectionString,
    stop: async () => {
      await stop();
      await rm(dataDir, { recursive: true });
    },
  };
}

async function makeTemplate(connectionString: string): Promise<void> {
  const admin = new Client({ connectionString });
  await admin.connect();
  try {
    await admin.query(`create database ${TEMPLATE_DATABASE}`);
    const url = new URL(connectionString);
    url.pathname = TEMPLATE_DATABASE;
    await migrate(url.href);
    await installQueue(url.href);
    await admin.query(`alter database ${TEMPLATE_DATABASE} with is_template true allow_connections false`);
  } finally {
    await admin.end();
  }
}

/** Installs the schema of pg-boss, so that tests with operations do not each have to install it. */
async function installQueue(connectionString: string): Promise<void> {
  const queue = createQueue({
    connectionString,
    runLimitSeconds: 60,
    onError: (error) => {
      throw error;
    },
  });
  await queue.open();
  await queue.close();
}

async function migrate(connectionString: string): Promise<void> {
  const db = connectDatabase({
    connectionString,
    poolSize: 1,
    applicationName: 'lablink test template',
    onIdleError: (error) => {
      throw error;
    },
  });
  try {
    const migrated = await migrateToLatest(db);
    if (!migrated.ok) throw new Error(migrated.failure.message);
  } finally {
    await db.destroy();
  }
}
