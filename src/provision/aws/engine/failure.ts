// Why a run of the engine failed, or the cloud refused: what they say, to a kind, a sentence and a remedy. The one place
// for it. Texts are theirs and change with versions: what nobody knows is `engine`, with their last words.
import type { ProvisionFailureCode } from '../../provider.ts';

export type Failure = {
  readonly kind: ProvisionFailureCode;
  /** A sentence for people. */
  readonly problem: string;
  readonly remedy: string;
};

const LEFT_BEHIND =
  /EntityAlreadyExists|ResourceAlreadyExists|ResourceConflictException|InvalidGroup\.Duplicate|InvalidKeyPair\.Duplicate/i;

type Rule = Failure & { readonly when: RegExp };

/** The first that matches counts. */
const rules: readonly Rule[] = [
  {
    when: /incorrect passphrase|failed to decrypt/i,
    kind: 'credentials',
    problem: 'The state of the machines cannot be decrypted: the passphrase is not the one it was made with.',
    remedy:
      'Set PULUMI_CONFIG_PASSPHRASE to the passphrase of before, or put the file pulumi-passphrase back into the data folder.',
  },
  {
    when: /ExpiredToken|RequestExpired|InvalidClientTokenId|AuthFailure|SignatureDoesNotMatch|UnrecognizedClientException|InvalidAccessKeyId|NoCredentialProviders|no valid credential|CredentialsProviderError|Could not load credentials|InvalidIdentityToken|token included in the request is (?:expired|invalid)/i,
    kind: 'credentials',
    problem: 'AWS does not accept the credentials of this server: they are missing, wrong or expired.',
    remedy: 'Give the server working AWS credentials (`lablink doctor` looks at them), then try again.',
  },
  {
    when: /UnauthorizedOperation|AccessDenied|not authorized to perform|OptInRequired|Forbidden\b/i,
    kind: 'credentials',
    problem: 'The AWS account of this server may not do this.',
    remedy: 'Let its user or role do what the output names, then try again.',
  },
  {
    when: /VcpuLimitExceeded|InstanceLimitExceeded|vCPU (?:limit|capacity than)|MaxSpotInstanceCountExceeded|\b(?!Request)\w+LimitExceeded/i,
    kind: 'quota',
    problem: 'The AWS account may not run so many machines of this type: its vCPU limit is reached.',
    remedy:
      'Ask AWS for a higher limit under Service Quotas, Amazon EC2 (`lablink doctor --vms N` says which), or launch fewer.',
  },
  {
    when: /Insufficient(?:Instance|Host|ReservedInstance)?Capacity|InsufficientFreeAddressesInSubnet|Unsupported: .*Availability Zone|not supported in your requested Availability Zone/i,
    kind: 'capacity',
    problem: 'AWS has no machine of this type free right now, in none of the zones that were tried.',
    remedy: 'Try again later, or name more types in machine.machine_types.',
  },
  {
    when: /currently locked by|Another update is currently in progress/i,
    kind: 'busy',
    problem: 'The state of the machines is locked: another run is at work on it.',
    remedy: 'Wait until that run has ended. If there is none, `pulumi cancel` on the stack removes the lock.',
  },
  {
    when: /no resource plugin 'pulumi-resource-aws'/i,
    kind: 'engine',
    problem: 'The AWS plugin of Pulumi is not installed.',
    remedy: 'Run `make setup-aws` on this server.',
  },
  {
    when: /spawn pulumi ENOENT|spawn \S*bin\/pulumi (?:ENOENT|EACCES)|ENOENT: .*bin\/pulumi/i,
    kind: 'engine',
    problem: 'The program pulumi is not installed.',
    remedy: 'Run `make setup-aws` on this server.',
  },
  {
    when: /ENOSPC|no space left on device/i,
    kind: 'engine',
    problem: 'The disk of this server is full, so that the state of the machines cannot be kept.',
    remedy: 'Make room on the disk of the data folder, then try again.',
  },
  {
    when: /EROFS|EACCES|EPERM|read-only file system|permission denied/i,
    kind: 'engine',
    problem: 'The state of the machines cannot be written.',
    remedy: 'Let the user of this server write to the folder of the state (DATA_DIR, PULUMI_BACKEND_URL).',
  },
  {
    when: LEFT_BEHIND,
    kind: 'engine',
    problem:
      'AWS has something of this deployment that its state does not know: a run was interrupted while it was made.',
    remedy:
      'Delete what the output names in the AWS console (its name begins with that of this deployment), then try again.',
  },
  {
    when: /InvalidAMIID|InvalidParameter|InvalidSubnet|InvalidVpc|InvalidInstanceType|InvalidUserData|Unsupported:|is not supported/i,
    kind: 'program',
    problem: 'AWS does not accept what the configuration asks for.',
    remedy:
      'Correct the key of the config file that the output names (machine.*, app.region), then try again.',
  },
  {
    when: /update canceled|cancel(?:l)?ing|\bcancelled\b/i,
    kind: 'cancelled',
    problem: 'The run was cancelled.',
    remedy: 'What was made stays; launch more, or destroy all.',
  },
  {
    when: /Throttling|RequestLimitExceeded|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|dial tcp/i,
    kind: 'engine',
    problem: 'AWS could not be reached, or answered that it is asked too much.',
    remedy: 'Look at the network of this server, then try again.',
  },
  {
    when: /Unhandled exception|error: Program|program failed/i,
    kind: 'program',
    problem: 'The program that describes the machines failed.',
    remedy: 'Report it with the output of this operation.',
  },
];

const LAST_WORDS_LENGTH = 300;

/** @param text all that was said: error streams, diagnostics, messages */
export function explainFailure(text: string): Failure {
  const rule = rules.find(({ when }) => when.test(text));
  if (rule) return { kind: rule.kind, problem: rule.problem, remedy: rule.remedy };
  const words = lastWords(text);
  return {
    kind: 'engine',
    problem: words === '' ? 'The engine failed and did not say why.' : `The engine failed: ${words}`,
    remedy: 'Try again. If it stays like this, report it with the output of this operation.',
  };
}

/** What to say of one machine: its failure's first words, bounded, without the rest of a stack. */
export function lastWords(text: string): string {
  const line =
    text
      .split('\n')
      .map((part) => part.trim())
      .filter((part) => part !== '' && !part.startsWith('at '))
      .at(-1) ?? '';
  const bounded = line.length > LAST_WORDS_LENGTH ? `${line.slice(0, LAST_WORDS_LENGTH)}…` : line;
  return bounded === '' || /[.!?…]$/.test(bounded) ? bounded : `${bounded}.`;
}

/** Whether something was in the way that a run had made and no state knows. */
export function isLeftBehind(text: string): boolean {
  return LEFT_BEHIND.test(text);
}

/** Refusals that another zone or type can get around. */
export function isWorthAnotherPlace(kind: ProvisionFailureCode): boolean {
  return kind === 'capacity';
}
