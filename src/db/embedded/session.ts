// Talks SQL to the embedded server just enough to know that it is up and ours, and to make our database in it.
import { Client, DatabaseError } from 'pg';
import { DATABASE_USER } from './cluster.ts';
import { errorCode, refuse, type Failure } from './problem.ts';

const DATABASE = 'lablink';
/** A database that initdb makes, to be in while ours is made. */
const MAINTENANCE_DATABASE = 'postgres';
const CONNECT_TIMEOUT_MS = 5_000;

/** https://www.postgresql.org/docs/18/errcodes-appendix.html */
const CANNOT_CONNECT_NOW = '57P03';
const UNKNOWN_DATABASE = '3D000';
const DUPLICATE_DATABASE = '42P04';
const INVALID_PASSWORD = '28P01';
const TOO_MANY_CONNECTIONS = '53300';

export type Address = { readonly port: number; readonly password: string };

/** `starting`: no answer yet, or it starts, recovers or stops just now. */
export type Reach = 'ready' | 'starting' | Failure;

/** The connection string of our database. */
export function connectionString({ port, password }: Address, database: string = DATABASE): string {
  return `postgres://${DATABASE_USER}:${password}@127.0.0.1:${port}/${database}`;
}

/** Connects, and makes our database where it is missing. */
export async function reachDatabase(address: Address): Promise<Reach> {
  try {
    await connectOnce(connectionString(address));
    return 'ready';
  } catch (error) {
    if (!(error instanceof DatabaseError)) return notThere(error);
    if (error.code === TOO_MANY_CONNECTIONS) return 'ready';
    if (error.code === CANNOT_CONNECT_NOW) return 'starting';
    if (error.code === INVALID_PASSWORD) return wrongPassword();
    if (error.code !== UNKNOWN_DATABASE) throw error;
    await createDatabase(address);
    return 'ready';
  }
}

/** A refused or cut connection; anything else is a bug. */
function notThere(error: unknown): 'starting' {
  const refused = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(errorCode(error) ?? '');
  const cut = error instanceof Error && /terminated|timeout/i.test(error.message);
  if (refused || cut) return 'starting';
  throw error;
}

function wrongPassword(): Failure {
  return refuse(
    'The embedded Postgres does not accept the password that is kept beside it.',
    'Put back the file "password" of the data folder\'s "postgres" folder (it belongs to the database and must be copied with it).',
  );
}

async function createDatabase(address: Address): Promise<void> {
  try {
    await connectOnce(
      connectionString(address, MAINTENANCE_DATABASE),
      `create database ${DATABASE} template template0`,
    );
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
