// Databases for tests: real and migrated, one per file or test, and dropped afterwards.
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject, vi } from 'vitest';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import './provided.ts';
import { TEMPLATE_DATABASE } from './postgres-server.ts';

/** The time for the connections of a test to close after its end. */
const CLOSING_MS = 2_000;

export type TestDatabase = AsyncDisposable & {
  readonly connectionString: string;
  /** A small pool that connects with the first query, and is closed with the database. */
  readonly db: Db;
};

/**
 * Creates a database: a clone of the migrated template, or an empty one. Disposing drops it, and fails if something that the
 * test has started still holds a connection to it.
 */
export async function createTestDatabase(content: 'migrated' | 'empty' = 'migrated'): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const template = content === 'migrated' ? TEMPLATE_DATABASE : 'template0';
  // Copying the files takes a quarter of the processor time of Postgres's own way, which logs each page.
  const statement = `create database ${name} template ${template} strategy file_copy`;
  await withAdmin((admin) => admin.query(statement));
  const url = new URL(inject('postgres'));
  url.pathname = name;
  const db = connectDatabase({
    connectionString: url.href,
    poolSize: 5,
    applicationName: 'lablink test',
    // Tests terminate connections in the server; the pool opens new ones.
    onIdleError: () => undefined,
  });
  return {
    connectionString: url.href,
    db,
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await dropWhenLeft(name);
    },
  };
}

/** Runs work on a connection to the server's maintenance database. */
export async function withAdmin<T>(work: (admin: Client) => Promise<T>): Promise<T> {
  const admin = new Client({ connectionString: inject('postgres') });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}

async function dropWhenLeft(name: string): Promise<void> {
  await withAdmin(async (admin) => {
    try {
      await vi.waitFor(
        async () => {
          const open = await connectionsTo(admin, name);
          if (open.length > 0) throw new Error(`Left open by the test on ${name}: ${open.join('; ')}`);
        },
        { timeout: CLOSING_MS, interval: 20 },
      );
    } finally {
      await admin.query(`drop database ${name} with (force)`);
    }
  });
}

async function connectionsTo(admin: Client, name: string): Promise<string[]> {
  const { rows } = await admin.query<{ what: string }>(
    `select concat_ws(': ', application_name, state, query) as what from pg_stat_activity
     where datname = $1 and backend_type = 'client backend'`,
    [name],
  );
  return rows.map(({ what }) => what);
}
