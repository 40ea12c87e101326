// Turns what Pulumi and a cloud print into a failure with a code. With the rules of the providers, the only place that
// matches their texts, which change with versions: an unknown text becomes `engine`, with the last line of the output.
import type { ProvisionFailure } from '../provider.ts';

export type RunFailure = ProvisionFailure & {
  /** Every known cause in the output of the engine; empty or missing if there is none. */
  readonly causes?: readonly string[];
};

/** `cause` says why a run failed, more exactly than the public code. */
export type FailureRule<Cause extends string = string> = ProvisionFailure & {
  readonly cause: Cause;
  readonly pattern: RegExp;
};

/** What can be wrong with Pulumi and its state in any cloud. A provider puts these rules between its own. */
export const engineRules = {
  wrong_passphrase: {
    cause: 'wrong_passphrase',
    pattern: /incorrect passphrase|failed to decrypt/i,
    code: 'credentials',
    message: 'The Pulumi state cannot be decrypted: the passphrase is not the one that encrypted it.',
    remedy:
      'Set PULUMI_CONFIG_PASSPHRASE to the previous passphrase, or restore the file pulumi-passphrase in the data folder.',
  },
  state_locked: {
    cause: 'state_locked',
    pattern: /currently locked by|Another update is currently in progress/i,
    code: 'busy',
    message: 'The Pulumi state is locked by another run.',
    remedy: 'Wait until that run has ended. If there is none, `pulumi cancel` on the stack removes the lock.',
  },
  state_unreadable: {
    cause: 'state_unreadable',
    pattern: /failed to load checkpoint/i,
    code: 'engine',
    message: 'The Pulumi state cannot be read: it was cut short.',
    remedy:
      'Restore the copy that Pulumi keeps beside it (its name ends with `.bak`), then try again; or destroy all machines, which works without the state.',
  },
  lock_unreadable: {
    cause: 'lock_unreadable',
    pattern:
      /^(?:error: )?(?:unexpected end of JSON input|invalid character .+ (?:looking for|after|in) .+)$/im,
    code: 'engine',
    message: 'A lock on the Pulumi state cannot be read: it was cut short.',
    remedy: 'Try again. If it fails again, `pulumi cancel` on the stack removes the lock.',
  },
  disk_full: {
    cause: 'disk_full',
    pattern: /ENOSPC|no space left on device/i,
    code: 'engine',
    message: 'The disk of this server is full, so the Pulumi state cannot be saved.',
    remedy: 'Free some space on the disk of the data folder, then try again.',
  },
  state_read_only: {
    cause: 'state_read_only',
    pattern: /EROFS|EACCES|EPERM|read-only file system|permission denied|operation not permitted/i,
    code: 'engine',
    message: 'The Pulumi state cannot be written.',
    remedy:
      'Allow the user of this server to write to the folder of the state (DATA_DIR, PULUMI_BACKEND_URL).',
  },
  cancelled: {
    cause: 'cancelled',
    pattern: /update canceled|cancel(?:l)?ing|\bcancelled\b/i,
    code: 'cancelled',
    message: 'The run was cancelled.',
    remedy: 'The machines that were created keep running. Launch more, or destroy all.',
  },
  program_failed: {
    cause: 'program_failed',
    pattern: /Unhandled exception|error: Program|program failed/i,
    code: 'program',
    message: 'The Pulumi program that describes the machines failed.',
    remedy: 'Report this with the output of the operation.',
  },
} as const satisfies { readonly [Cause in Exclude<EngineCause, 'engine_died'>]: FailureRule<Cause> };

export type EngineCause =
  | 'wrong_passphrase'
  | 'state_locked'
  | 'state_unreadable'
  | 'lock_unreadable'
  | 'disk_full'
  | 'state_read_only'
  | 'cancelled'
  | 'program_failed'
  | 'engine_died';

/** Pulumi began its work, and was killed before its end. */
export const ENGINE_DIED: RunFailure = {
  code: 'engine',
  message: 'The Pulumi engine was killed in the middle of its work.',
  remedy:
    'Look for what killed it (too little memory, a restart), then try again: machines that were half created are ended first.',
  causes: ['engine_died'],
};

const LINE_LENGTH_MAX = 300;

/** Lines that say what Pulumi did, not why it failed: stack traces, progress, summaries, headings, numbered hints. */
const NO_REASON =
  /^(?:at |@ |\d+\) |(?:error: )?update (?:failed|cancell?ed)\.?$|(?:Resources|Diagnostics|Outputs|Duration|Updating|Destroying|Refreshing)\b.*:|[+~-]|pulumi:pulumi:Stack )/i;

/**
 * @param output everything that was printed: error streams, diagnostics, messages; without secrets
 * @param rules the first match gives code, message and remedy
 */
export function explainFailure(output: string, rules: readonly FailureRule[]): RunFailure {
  const matches = rules.filter(({ pattern }) => pattern.test(output));
  const causes = matches.map(({ cause }) => cause);
  const [first] = matches;
  if (first) return { code: first.code, message: first.message, remedy: first.remedy, causes };
  const line = reasonIn(output);
  return {
    code: 'engine',
    message: line === '' ? 'Pulumi failed and did not say why.' : `Pulumi failed: ${line}`,
    remedy: 'Try again. If it fails again, report it with the output of the operation.',
    causes,
  };
}

const ERROR = /^error: /i;

/** The reason in an output: its last error, else its last line that may be one. Bounded, with a full stop. */
export function reasonIn(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !NO_REASON.test(line));
  const reason = (lines.findLast((line) => ERROR.test(line)) ?? lines.at(-1) ?? '').replace(ERROR, '');
  const bounded = reason.length > LINE_LENGTH_MAX ? `${reason.slice(0, LINE_LENGTH_MAX)}…` : reason;
  return bounded === '' || /[.!?…]$/.test(bounded) ? bounded : `${bounded}.`;
}

/** The lock that another run holds on the state. */
export type StateLock = { readonly host: string; readonly pid: number; readonly since: Date };

const LOCK = /created by \S*@(?<host>\S+) \(pid (?<pid>\d+)\) at (?<since>[0-9TZ:.+-]+)/;

/** Null if the output names no lock. */
export function readLock(output: string): StateLock | null {
  const { host, pid, since } = LOCK.exec(output)?.groups ?? {};
  if (host === undefined || pid === undefined || since === undefined) return null;
  return { host, pid: Number(pid), since: new Date(since) };
}
