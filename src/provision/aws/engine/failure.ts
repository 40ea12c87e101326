// Turns the output of Pulumi and AWS into a failure with a code. The only place that matches their texts, which change
// with versions: an unknown text becomes `engine`, with the last line of the output.
import type { ProvisionFailure } from '../../provider.ts';

/** Why a run failed, more exactly than the public code says. */
export type FailureCause =
  | 'wrong_passphrase'
  | 'invalid_credentials'
  | 'not_authorized'
  | 'vcpu_limit'
  | 'no_capacity'
  | 'state_locked'
  | 'plugin_missing'
  | 'cli_missing'
  | 'disk_full'
  | 'state_read_only'
  | 'exists_outside_state'
  | 'invalid_configuration'
  | 'cancelled'
  | 'aws_unreachable'
  | 'program_failed';

export type RunFailure = ProvisionFailure & {
  /** Every known cause in the output of the engine; empty or missing if there is none. */
  readonly causes?: readonly FailureCause[];
};

type Rule = ProvisionFailure & { readonly cause: FailureCause; readonly pattern: RegExp };

/** The first match gives code, message and remedy. */
const rules: readonly Rule[] = [
  {
    cause: 'wrong_passphrase',
    pattern: /incorrect passphrase|failed to decrypt/i,
    code: 'credentials',
    message: 'The Pulumi state cannot be decrypted: the passphrase is not the one that encrypted it.',
    remedy:
      'Set PULUMI_CONFIG_PASSPHRASE to the previous passphrase, or restore the file pulumi-passphrase in the data folder.',
  },
  {
    cause: 'invalid_credentials',
    pattern:
      /ExpiredToken|RequestExpired|InvalidClientTokenId|AuthFailure|SignatureDoesNotMatch|UnrecognizedClientException|InvalidAccessKeyId|NoCredentialProviders|no valid credential|CredentialsProviderError|Could not load credentials|InvalidIdentityToken|token included in the request is (?:expired|invalid)/i,
    code: 'credentials',
    message: 'AWS does not accept the credentials of this server: they are missing, wrong or expired.',
    remedy: 'Give the server valid AWS credentials (`lablink doctor` checks them), then try again.',
  },
  {
    cause: 'not_authorized',
    pattern: /UnauthorizedOperation|AccessDenied|not authorized to perform|OptInRequired|Forbidden\b/i,
    code: 'credentials',
    message: 'The AWS credentials of this server do not allow this.',
    remedy: 'Add the permission that the output names to its IAM user or role, then try again.',
  },
  {
    cause: 'vcpu_limit',
    pattern:
      /VcpuLimitExceeded|InstanceLimitExceeded|vCPU (?:limit|capacity than)|MaxSpotInstanceCountExceeded|\b(?!Request)\w+LimitExceeded/i,
    code: 'quota',
    message: 'The AWS account has reached its vCPU limit for machines of this type.',
    remedy:
      'Request a higher limit under Service Quotas, Amazon EC2 (`lablink doctor --vms N` shows which), or launch fewer machines.',
  },
  {
    cause: 'no_capacity',
    pattern:
      /Insufficient(?:Instance|Host|ReservedInstance)?Capacity|InsufficientFreeAddressesInSubnet|Unsupported: .*Availability Zone|not supported in your requested Availability Zone/i,
    code: 'capacity',
    message: 'AWS has no machine of this type available right now in any of the zones that were tried.',
    remedy: 'Try again later, or add more types to machine.machine_types.',
  },
  {
    cause: 'state_locked',
    pattern: /currently locked by|Another update is currently in progress/i,
    code: 'busy',
    message: 'The Pulumi state is locked by another run.',
    remedy: 'Wait until that run has ended. If there is none, `pulumi cancel` on the stack removes the lock.',
  },
  {
    cause: 'plugin_missing',
    pattern: /no resource plugin 'pulumi-resource-aws'/i,
    code: 'engine',
    message: 'The AWS plugin of Pulumi is not installed.',
    remedy: 'Run `make setup-aws` on this server.',
  },
  {
    cause: 'cli_missing',
    pattern: /spawn pulumi ENOENT|spawn \S*bin\/pulumi (?:ENOENT|EACCES)|ENOENT: .*bin\/pulumi/i,
    code: 'engine',
    message: 'The Pulumi CLI is not installed.',
    remedy: 'Run `make setup-aws` on this server.',
  },
  {
    cause: 'disk_full',
    pattern: /ENOSPC|no space left on device/i,
    code: 'engine',
    message: 'The disk of this server is full, so the Pulumi state cannot be saved.',
    remedy: 'Free some space on the disk of the data folder, then try again.',
  },
  {
    cause: 'state_read_only',
    pattern: /EROFS|EACCES|EPERM|read-only file system|permission denied/i,
    code: 'engine',
    message: 'The Pulumi state cannot be written.',
    remedy:
      'Allow the user of this server to write to the folder of the state (DATA_DIR, PULUMI_BACKEND_URL).',
  },
  {
    cause: 'exists_outside_state',
    pattern:
      /EntityAlreadyExists|ResourceAlreadyExists|ResourceConflictException|InvalidGroup\.Duplicate|InvalidKeyPair\.Duplicate/i,
    code: 'engine',
    message:
      'AWS has a resource of this deployment that is missing from the Pulumi state: a run was interrupted while it created the resource.',
    remedy:
      'Delete the resource that the output names in the AWS console (its name starts with the name of this deployment), then try again.',
  },
  {
    cause: 'invalid_configuration',
    pattern:
      /InvalidAMIID|InvalidParameter|InvalidSubnet|InvalidVpc|InvalidInstanceType|InvalidUserData|Unsupported:|is not supported/i,
    code: 'program',
    message: 'AWS does not accept a value of the configuration.',
    remedy:
      'Correct the key of the config file that the output names (machine.*, app.region), then try again.',
  },
  {
    cause: 'cancelled',
    pattern: /update canceled|cancel(?:l)?ing|\bcancelled\b/i,
    code: 'cancelled',
    message: 'The run was cancelled.',
    remedy: 'The machines that were created keep running. Launch more, or destroy all.',
  },
  {
    cause: 'aws_unreachable',
    pattern: /Throttling|RequestLimitExceeded|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|dial tcp/i,
    code: 'engine',
    message: 'AWS could not be reached, or received too many requests.',
    remedy: 'Check the network of this server, then try again.',
  },
  {
    cause: 'program_failed',
    pattern: /Unhandled exception|error: Program|program failed/i,
    code: 'program',
    message: 'The Pulumi program that describes the machines failed.',
    remedy: 'Report this with the output of the operation.',
  },
];

const LINE_LENGTH_MAX = 300;

/** @param output everything that was printed: error streams, diagnostics, messages; without secrets */
export function explainFailure(output: string): RunFailure {
  const matches = rules.filter(({ pattern }) => pattern.test(output));
  const causes = matches.map(({ cause }) => cause);
  const [first] = matches;
  if (first) return { code: first.code, message: first.message, remedy: first.remedy, causes };
  const line = lastLine(output);
  return {
    code: 'engine',
    message: line === '' ? 'Pulumi failed and did not say why.' : `Pulumi failed: ${line}`,
    remedy: 'Try again. If it fails again, report it with the output of the operation.',
    causes,
  };
}

/** Whether the engine reported this cause. */
export function hasCause(failure: RunFailure | null, cause: FailureCause): boolean {
  return failure?.causes?.includes(cause) ?? false;
}

/** The last line of an output that is not part of a stack trace, bounded, with a full stop. */
export function lastLine(output: string): string {
  const line =
    output
      .split('\n')
      .map((part) => part.trim())
      .filter((part) => part !== '' && !part.startsWith('at '))
      .at(-1) ?? '';
  const bounded = line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
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
