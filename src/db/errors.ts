// Maps errors of Postgres and of the network to problems.
import { NotServed } from '../async/groups.ts';
import { ProblemError } from '../contract/problems.ts';

/** Another transaction won the race for a unique index. */
export const UNIQUE_VIOLATION = '23505';
/** `lock_timeout` ran out. */
export const LOCK_NOT_AVAILABLE = '55P03';
/** The referenced row was deleted in the meantime. */
const FOREIGN_KEY_VIOLATION = '23503';

/** The disk, or a quota on it, is full. */
const DISK_FULL = ['53100'];
/** The server takes no writes: it is a standby, or was set to read-only. */
export const READ_ONLY = '25006';
/** A prepared statement outlived a migration; a pooler, or the server, knows nothing of it, or has another of its name. */
export const STALE_STATEMENT: readonly string[] = ['0A000', '26000', '42P05'];
/**
 * The server is down, starting or stopping, closed an idle connection, rejects our login, has no such database any more, or
 * has no free connection.
 */
const OUTAGE = [READ_ONLY, '25P03', '25P04', '3D000', '53300', '53400', '26000', '42P05'];
/** Classes of errors: of the connection, of the login, of the system (a disk that fails), of an operator. */
const OUTAGE_CLASSES = ['08', '28', '58', '57P'];
/**
 * Out of memory, statement time-out, lock time-out, deadlock, a VM deleted while it reported: nothing was changed, and a
 * retry can succeed.
 */
const OVERLOAD = ['53200', '57014', LOCK_NOT_AVAILABLE, '40P01', '40001', FOREIGN_KEY_VIOLATION];
const SQLSTATE_LENGTH = 5;
/** Classes of errors of the data, of constraints, and of a transaction that was rolled back for the sake of another one. */
const ONE_ROW_CLASSES = ['22', '23', '40'];
const NETWORK = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
];
/** pg reports these without a code. */
const LOST_CONNECTION =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end/;

/** The SQLSTATE or system code of an error; null if it has none. */
export function errorCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/** Whether one of several rows that were written together may be the reason, so that the others can be written without it. */
export function isOfOneRow(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  return (
    code === LOCK_NOT_AVAILABLE ||
    (code.length === SQLSTATE_LENGTH && ONE_ROW_CLASSES.some((start) => code.startsWith(start)))
  );
}

/** The problem for the client; null if the error is not an outage of the database (a bug). */
export function databaseProblem(error: unknown): ProblemError | null {
  if (error instanceof AggregateError) return error.errors.map(databaseProblem).find(Boolean) ?? null;
  if (error instanceof NotServed) return new ProblemError('overloaded');
  const code = errorCode(error);
  if (code !== null && DISK_FULL.includes(code)) return new ProblemError('storage_full');
  if (code !== null && OVERLOAD.includes(code)) return new ProblemError('overloaded');
  if (code !== null && (isOutage(code) || NETWORK.includes(code)))
    return new ProblemError('database_unavailable');
  if (error instanceof Error && LOST_CONNECTION.test(error.message))
    return new ProblemError('database_unavailable');
  return null;
}

function isOutage(code: string): boolean {
  if (code.length !== SQLSTATE_LENGTH) return false;
  return OUTAGE.includes(code) || OUTAGE_CLASSES.some((start) => code.startsWith(start));
}
