// Faults of the database at start, as a problem and a remedy.
import { DatabaseError } from 'pg';
import type { Failure } from '../result.ts';
import { databaseProblem, errorCode } from './errors.ts';
import type { UrlVariable } from './pooler.ts';

type Remedy = { readonly message: string; readonly remedy: string };

const remedies: Readonly<Record<string, Remedy>> = {
  // insufficient_privilege: since Postgres 15 only the owner of the database may create tables in `public`.
  '42501': {
    message: 'The database user may not do what the allocator needs',
    remedy:
      'Make it the owner of the database, or, as its owner: `grant create on database <name> to <user>; grant usage, create on schema public to <user>`.',
  },
  // read_only_sql_transaction
  '25006': {
    message: 'The database takes no writes',
    remedy: 'Set DATABASE_URL to the primary, not to a replica; check `show default_transaction_read_only`.',
  },
  // protocol_violation: PgBouncer says it of start-up parameters that it does not know.
  '08P01': {
    message: 'The pooler or the database refused the connection',
    remedy:
      'Look into the log of the pooler. PgBouncer needs no `ignore_startup_parameters` for the allocator; docs/operations.md has its settings.',
  },
  // query_canceled
  '57014': {
    message: 'The database cancelled a statement of the start, because it took too long',
    remedy: 'Find what holds a lock (`select * from pg_stat_activity`), end it, and start again.',
  },
  // lock_not_available
  '55P03': {
    message: 'Somebody else has locked what the start needs',
    remedy: 'Find what holds a lock (`select * from pg_stat_activity`), end it, and start again.',
  },
  // too_many_connections
  '53300': {
    message: 'The database has no free connection',
    remedy: 'End other clients, raise max_connections of the server, or lower DATABASE_POOL_SIZE.',
  },
  '53100': { message: 'The disk of the database is full', remedy: 'Free space on it, then start again.' },
  // invalid_catalog_name
  '3D000': {
    message: 'There is no such database',
    remedy: 'Create it, or correct the name in DATABASE_URL.',
  },
  '28P01': { message: 'The database rejected the password', remedy: 'Correct the password in DATABASE_URL.' },
  '28000': {
    message: 'The database rejected the login',
    remedy: 'Check the user in DATABASE_URL, and pg_hba.conf of the server.',
  },
};

const OTHER: Remedy = {
  message: 'The database in DATABASE_URL cannot be used',
  remedy: 'Check host, port, user, password and database name; try the same address with psql.',
};

/** Null if the error is not one of the database: a bug. @param variable which has the address */
export function databaseStartFailure(error: unknown, variable: UrlVariable = 'DATABASE_URL'): Failure | null {
  const known = databaseProblem(error) !== null;
  if (!known && !(error instanceof DatabaseError)) return null;
  const { message, remedy } = remedies[errorCode(error) ?? ''] ?? OTHER;
  const said = error instanceof Error && error.message !== '' ? error.message : 'it cannot be reached';
  const named = (text: string): string => text.replaceAll('DATABASE_URL', variable);
  return { code: 'database', message: `${named(message)}: ${said}.`, remedy: named(remedy) };
}
