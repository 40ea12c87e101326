// What can go wrong with the embedded Postgres, for the person who started the allocator. The only place that reads the
// English of Postgres, its tools and Node's file functions: it becomes a code here.
import { fail, type Failed } from '../../result.ts';

const OTHER_DATABASE = 'or set DATABASE_URL to your own Postgres server';

/** The first match wins. The texts are those of Postgres 18 and of Node, in the C locale. */
const PATTERNS = [
  ['no_port', /could not bind|could not create any TCP\/IP sockets/],
  ['processes_left', /pre-existing shared memory block/],
  ['start_timeout', /did not start in time/],
  ['disk_full', /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/],
  ['user_without_name', /could not look up effective user ID/],
  ['wrong_owner', /has invalid permissions|has wrong ownership/],
  ['read_only', /Read-only file system|EROFS/],
  ['no_permission', /Permission denied|EACCES|EPERM|Operation not permitted/],
  ['not_a_folder', /ENOTDIR|EEXIST|Not a directory/],
  [
    'no_memory',
    /could not (create|map|resize) (anonymous )?shared memory|Cannot allocate memory|out of memory/i,
  ],
] as const satisfies readonly (readonly [code: string, pattern: RegExp])[];

export type OutputCode = (typeof PATTERNS)[number][0];
type Code = OutputCode | 'other' | 'in_use' | 'no_account' | 'unreachable' | 'unsupported' | 'wrong_files';

const WORDS: Readonly<Record<OutputCode, (place: string) => readonly [message: string, remedy: string]>> = {
  no_port: () => [
    'The embedded Postgres found no free port on 127.0.0.1.',
    `Check that programs may listen on 127.0.0.1, ${OTHER_DATABASE}.`,
  ],
  processes_left: (place) => [
    `Processes of an earlier Postgres still work on ${place}.`,
    'Wait until they have ended (or end them: ps ax | grep postgres), then start again.',
  ],
  start_timeout: (place) => [
    `The embedded Postgres was not ready in time; it still works on ${place}.`,
    'Look at postgres/log/server.log in the data folder, and start again in a minute: the next start uses the running server.',
  ],
  disk_full: (place) => [
    `The disk with ${place} is full.`,
    'Free some space and start again (nothing is lost), or set DATA_DIR to a folder on another disk.',
  ],
  user_without_name: () => [
    'The user of the allocator has a number, but no name in /etc/passwd. Postgres cannot create a database without a name.',
    `Start as a user with a name (in a container: add one with that number), ${OTHER_DATABASE}.`,
  ],
  wrong_owner: (place) => [
    `Postgres refuses ${place}: the folder must belong to the user of Postgres and be closed to others. Or the disk (a Windows or network share) does not keep owners and modes.`,
    'Give the folder back to its user (chown -R, chmod 700), or set DATA_DIR to a folder on a local disk.',
  ],
  read_only: (place) => [
    `${place} is on a read-only disk.`,
    `Set DATA_DIR to a folder that can be written, ${OTHER_DATABASE}.`,
  ],
  no_permission: (place) => [
    `The user of the allocator cannot write to ${place}.`,
    'Start the allocator as the user who owns the folder (as root, if root created it), or set DATA_DIR to a folder of yours.',
  ],
  not_a_folder: (place) => [
    `${place} cannot be a folder: a file is in its place, or in the place of a folder above it.`,
    'Move that file away, or set DATA_DIR to another folder.',
  ],
  no_memory: () => [
    'The computer has no memory left for the embedded Postgres (it needs about 150 MB).',
    `Stop other programs, or add memory, ${OTHER_DATABASE}.`,
  ],
};

/** How much of a program's output a message repeats. */
const QUOTE_CHARACTERS = 600;

/** The failure half of a result. */
export function refuse(code: Code, message: string, remedy: string): Failed {
  return fail({ code, message, remedy });
}

/** What the output of initdb, pg_ctl or Postgres means; undefined where it is not known. */
export function codeOfOutput(output: string): OutputCode | undefined {
  return PATTERNS.find(([, pattern]) => pattern.test(output))?.[0];
}

/**
 * The failure behind the output of initdb, pg_ctl or Postgres.
 * @param place the file or folder that was worked on
 * @param action completes "could not …"
 */
export function explainOutput(output: string, place: string, action: string): Failed {
  const code = codeOfOutput(output);
  if (code !== undefined) return refuse(code, ...WORDS[code](place));
  const quote = output.trim().slice(-QUOTE_CHARACTERS) || '(it printed nothing)';
  return refuse(
    'other',
    `The embedded Postgres could not ${action} (${place}). Its output: ${quote}`,
    `Correct the cause and start again, ${OTHER_DATABASE}.`,
  );
}

/** The failure behind a failed file operation. Any other error is thrown again. */
export function explainFileError(error: unknown, place: string, action: string): Failed {
  if (error instanceof Error && 'code' in error)
    return explainOutput(`${String(error.code)}: ${error.message}`, place, action);
  throw error;
}

/** The `code` of a failed system call (`ENOENT`, …), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
