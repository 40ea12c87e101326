// Talks SQL to the embedded server: just enough to know that it is up and ours, and to create our database in it.
import { Client, DatabaseError } from 'pg';
import type { Failed } from '../../result.ts';
import { DATABASE_USER } from './cluster.ts';
import { errorCode, refuse } from './failure.ts';

const DATABASE = 'lablink';
/** A database that initdb creates, to connect to while ours is created. */
const MAINTENANCE_DATABASE = 'postgres';
const CONNECT_TIMEOUT_MS = 5_000;

/** https://www.postgresql.org/docs/18/errcodes-appendix.html */
const CANNOT_CONNECT_NOW = '57P03';
const UNKNOWN_DATABASE = '3D000';
const DUPLICATE_DATABASE = '42P04';
const INVALID_PASSWORD = '28P01';
const TOO_MANY_CONNECTIONS = '53300';

export type Address = { readonly port: number; readonly password: string };

/** `starting`: no answer yet, or it is starting, recovering or stopping. */
export type ServerState = 'ready' | 'starting' | Failed;

/** The connection string of our database. */
export function connectionString({ port, password }: Address, database: string = DATABASE): string {
  return `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Connects, and creates our database where it is missing. */
export async function reachDatabase(address: Address): Promise<ServerState> {
  try {
    await connectOnce(connectionString(address));
    return 'ready';
  } catch (error) {
    if (!(error instanceof DatabaseError)) {
      if (isNoAnswer(error)) return 'starting';
      throw error;
    }
    if (error.code === TOO_MANY_CONNECTIONS) return 'ready';
    if (error.code === CANNOT_CONNECT_NOW) return 'starting';
    if (error.code === INVALID_PASSWORD) {
      return refuse(
        'wrong_files',
        'The embedded Postgres does not accept the password in its folder.',
        'Put back the file "password" of the folder "postgres" in the data folder (it belongs to the database and must be copied with it).',
      );
    }
    if (error.code !== UNKNOWN_DATABASE) throw error;
    await createDatabase(address);
    return 'ready';
  }
}

/** A refused or cut connection; pg has no codes for the latter. */
function isNoAnswer(error: unknown): boolean {
  const isCut = error instanceof Error && /terminated|timeout/i.test(error.message);
  return isCut || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errorCode(error) ?? '');
}

async function createDatabase(address: Address): Promise<void> {
  const url = connectionString(address, MAINTENANCE_DATABASE);
  try {
    await connectOnce(url, `create database ${DATABASE} template template0`);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === DUPLICATE_DATABASE)) throw error;
  }
}

async function connectOnce(url: string, statement = 'select 1'): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end();
  }
}
