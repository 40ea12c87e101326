// How a caller is named in operations, in the audit and in downloads.
import type { Caller } from './handlers.ts';

/** The user name of an admin; for every other caller, its kind. */
export function callerName(caller: Caller): string {
  return caller.kind === 'admin' ? caller.user : caller.kind;
}
