// What can go wrong with the embedded Postgres, as sentences for the person who started the allocator.

/** An expected failure: what happened, and what to do about it. Both are whole sentences. */
export type Problem = { readonly message: string; readonly remedy: string };

export type Failure = { readonly ok: false; readonly problem: Problem };

/** Builds the failure half of a result. */
export function refuse(message: string, remedy: string): Failure {
  return { ok: false, problem: { message, remedy } };
}

const OTHER_DATABASE = 'or name a Postgres server of yours in DATABASE_URL';

type Explanation = {
  readonly pattern: RegExp;
  readonly message: (place: string) => string;
  readonly remedy: (place: string) => string;
};

/** First match wins. The texts are those of Postgres 18, its tools, and Node's file functions, in the C locale. */
const explanations: readonly Explanation[] = [
  {
    pattern: /No space left on device|ENOSPC|Disk quota exceeded|EDQUOT/,
    message: (place) => `The disk that holds ${place} is full.`,
    remedy: () =>
      'Free some space and start again (nothing is lost), or set DATA_DIR to a folder on another disk.',
  },
  {
    pattern: /could not look up effective user ID/,
    message: () =>
      'The user who runs the allocator has a number, but no name in /etc/passwd, and Postgres cannot make a database without.',
    remedy: () =>
      `Run as a user that has a name (in a container: add one with that number), ${OTHER_DATABASE}.`,
  },
  {
    pattern: /has invalid permissions|has wrong ownership/,
    message: (place) =>
      `Postgres does not trust ${place}: it must belong to the user who runs Postgres and be closed to others, or the disk cannot keep owners and modes (a Windows or network share).`,
    remedy: () =>
      'Give the folder back to its user (chown -R, chmod 700), or set DATA_DIR to a folder on a local disk.',
  },
  {
    pattern: /Read-only file system|EROFS/,
    message: (place) => `${place} is on a disk that is mounted read-only.`,
    remedy: () => `Set DATA_DIR to a folder that can be written, ${OTHER_DATABASE}.`,
  },
  {
    pattern: /Permission denied|EACCES|EPERM|Operation not permitted/,
    message: (place) => `${place} cannot be written by the user who runs the allocator.`,
    remedy: () =>
      'Start the allocator as the user whose folder it is (or as root, if root made it), or set DATA_DIR to a folder of yours.',
  },
  {
    pattern: /ENOTDIR|EEXIST|Not a directory/,
    message: (place) =>
      `${place} cannot be a folder: there is a file in its place, or in the place of a folder above it.`,
    remedy: () => 'Move that file away, or set DATA_DIR to another folder.',
  },
  {
    pattern: /could not (create|map|resize) (anonymous )?shared memory|Cannot allocate memory|out of memory/i,
    message: () => 'The machine has no memory left for the embedded Postgres (it needs about 150 MB).',
    remedy: () => `Stop other programs or give the machine more memory, ${OTHER_DATABASE}.`,
  },
  {
    pattern: /pre-existing shared memory block/,
    message: (place) => `Processes of an earlier Postgres still work on ${place}.`,
    remedy: () => 'Wait until they have ended (or end them: ps ax | grep postgres), then start again.',
  },
  {
    pattern: /could not bind|could not create any TCP\/IP sockets/,
    message: () => 'The embedded Postgres found no free port on 127.0.0.1.',
    remedy: () => `Check that this machine may listen on 127.0.0.1, ${OTHER_DATABASE}.`,
  },
];

/** How much of a program's own words a message repeats. */
const QUOTE_CHARACTERS = 600;

/**
 * Turns what initdb, pg_ctl or Postgres printed into a problem; `place` is the file or folder that was worked on and
 * `doing` completes "could not …".
 */
export function explainOutput(output: string, place: string, doing: string): Failure {
  const known = explanations.find(({ pattern }) => pattern.test(output));
  if (known !== undefined) return refuse(known.message(place), known.remedy(place));
  const quote = output.trim().slice(-QUOTE_CHARACTERS) || '(it printed nothing)';
  return refuse(
    `The embedded Postgres could not ${doing} (${place}). It said: ${quote}`,
    `Mend what it names and start again, ${OTHER_DATABASE}.`,
  );
}

/** Turns a failed file operation into a problem. Anything that is no error of the file system is thrown on. */
export function explainFileError(error: unknown, place: string, doing: string): Failure {
  if (error instanceof Error && 'code' in error) {
    return explainOutput(`${String(error.code)}: ${error.message}`, place, doing);
  }
  throw error;
}

/** The `code` of a failed system call (`ENOENT`, …), or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
