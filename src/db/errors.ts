// Maps errors of Postgres and of the network to problems.
import { ProblemError } from '../contract/problems.ts';

/** Another transaction won the race for a unique index. */
export const UNIQUE_VIOLATION = '23505';
/** `lock_timeout` ran out. */
export const LOCK_NOT_AVAILABLE = '55P03';
/** The referenced row was deleted in the meantime. */
const FOREIGN_KEY_VIOLATION = '23503';

/** The disk, or a quota on it, is full. */
const DISK_FULL = ['53100'];
/** The server is down, starting or stopping, or has no free connection. */
const OUTAGE = ['57P01', '57P02', '57P03', '53300', '08000', '08001', '08003', '08004', '08006', '08P01'];
/**
 * Out of memory, statement time-out, lock time-out, deadlock, a VM deleted while it reported: nothing was changed, and a
 * retry can succeed.
 */
const OVERLOAD = ['53200', '57014', LOCK_NOT_AVAILABLE, '40P01', '40001', FOREIGN_KEY_VIOLATION];
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

/** The problem for the client; null if the error is not an outage of the database (a bug). */
export function databaseProblem(error: unknown): ProblemError | null {
  if (error instanceof AggregateError) return error.errors.map(databaseProblem).find(Boolean) ?? null;
  const code = errorCode(error);
  if (code !== null && DISK_FULL.includes(code)) return new ProblemError('storage_full');
  if (code !== null && OVERLOAD.includes(code)) return new ProblemError('overloaded');
  if (code !== null && (OUTAGE.includes(code) || NETWORK.includes(code)))
    return new ProblemError('database_unavailable');
  if (error instanceof Error && LOST_CONNECTION.test(error.message))
    return new ProblemError('database_unavailable');
  return null;
}
