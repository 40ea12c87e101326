// How a caller is named in operations, in the audit and in downloads.
import type { Role } from './endpoint.ts';
import type { Caller } from './handlers.ts';

/** The user name of an admin; for every other caller, its kind. */
export function callerName(caller: Caller): string {
  return caller.kind === 'admin' ? caller.user : caller.kind;
}

/** The role of somebody who has signed in; of every other caller the one that may less. */
export function roleOf(caller: Caller): Role {
  return caller.kind === 'admin' ? caller.role : 'instructor';
}
