// What the cloud refuses, in words: the errors of AWS' clients become one kind, a sentence and a remedy. Knows the names
// of errors alone; whoever calls decides what becomes of them.
import type { ProvisionFailureCode } from '../provider.ts';

/** Thrown by everything that asks the cloud. `message` is the problem, a sentence for people. */
export class CloudError extends Error {
  readonly kind: ProvisionFailureCode;
  readonly remedy: string;
  /** As AWS names it, such as `VcpuLimitExceeded`; for the log and for decisions. */
  readonly code: string;
  constructor(
    told: { readonly kind: ProvisionFailureCode; readonly problem: string; readonly remedy: string },
    code: string,
  ) {
    super(told.problem);
    this.name = 'CloudError';
    this.kind = told.kind;
    this.remedy = told.remedy;
    this.code = code;
  }
}

type Entry = { readonly kind: ProvisionFailureCode; readonly problem: string; readonly remedy: string };

const NO_CREDENTIALS: Entry = {
  kind: 'credentials',
  problem: 'There are no AWS credentials here.',
  remedy:
    'Give this server an instance role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), and start it again.',
};
const EXPIRED: Entry = {
  kind: 'credentials',
  problem: 'The AWS credentials have expired.',
  remedy: 'Sign in again (`aws sso login`, or new keys), and try again.',
};
const REFUSED: Entry = {
  kind: 'credentials',
  problem: 'AWS does not know these credentials.',
  remedy:
    'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and that the clock of this machine is right.',
};
const NOT_ALLOWED: Entry = {
  kind: 'credentials',
  problem: 'The AWS credentials may not do this.',
  remedy: 'Let the administrator of the account add the permission; docs/aws.md lists those that are needed.',
};
const QUOTA: Entry = {
  kind: 'quota',
  problem: 'The vCPU quota of the AWS account is used up.',
  remedy: 'Ask AWS for more (`lablink doctor --vms <number>` says what and where), or launch fewer machines.',
};
const CAPACITY: Entry = {
  kind: 'capacity',
  problem: 'AWS has no machine of this type free in this zone right now.',
  remedy: 'Try again in a few minutes, or name further types in `machine_types`.',
};
const THROTTLED: Entry = {
  kind: 'engine',
  problem: 'AWS is asked too often right now.',
  remedy: 'Wait a minute, and try again.',
};
const TIMEOUT: Entry = {
  kind: 'timeout',
  problem: 'AWS did not answer in time.',
  remedy: 'Check the network of this server (and AWS_ENDPOINT_URL, if it is set), and try again.',
};
const CANCELLED: Entry = {
  kind: 'cancelled',
  problem: 'It was asked to end while AWS was being asked.',
  remedy: 'Ask again, if it is wanted after all.',
};

/** AWS' name of the error → what it means here. */
const entries: Readonly<Record<string, Entry>> = {
  CredentialsProviderError: NO_CREDENTIALS,
  ExpiredToken: EXPIRED,
  ExpiredTokenException: EXPIRED,
  RequestExpired: EXPIRED,
  TokenRefreshRequired: EXPIRED,
  AuthFailure: REFUSED,
  InvalidClientTokenId: REFUSED,
  UnrecognizedClientException: REFUSED,
  InvalidAccessKeyId: REFUSED,
  SignatureDoesNotMatch: REFUSED,
  InvalidSignatureException: REFUSED,
  IncompleteSignature: REFUSED,
  MissingAuthenticationToken: REFUSED,
  UnauthorizedOperation: NOT_ALLOWED,
  AccessDenied: NOT_ALLOWED,
  AccessDeniedException: NOT_ALLOWED,
  OptInRequired: NOT_ALLOWED,
  Blocked: NOT_ALLOWED,
  PendingVerification: NOT_ALLOWED,
  VcpuLimitExceeded: QUOTA,
  InstanceLimitExceeded: QUOTA,
  InsufficientInstanceCapacity: CAPACITY,
  InsufficientHostCapacity: CAPACITY,
  Unsupported: CAPACITY,
  RequestLimitExceeded: THROTTLED,
  Throttling: THROTTLED,
  ThrottlingException: THROTTLED,
  TooManyRequestsException: THROTTLED,
  TimeoutError: TIMEOUT,
  RequestTimeout: TIMEOUT,
  ECONNREFUSED: TIMEOUT,
  ECONNRESET: TIMEOUT,
  ENOTFOUND: TIMEOUT,
  EAI_AGAIN: TIMEOUT,
  EHOSTUNREACH: TIMEOUT,
  ENETUNREACH: TIMEOUT,
  ETIMEDOUT: TIMEOUT,
  EPIPE: TIMEOUT,
  AbortError: CANCELLED,
};

/** The error as ours; AWS' own sentence stays behind ours, where it says more. */
export function toCloudError(error: unknown, doing: string): CloudError {
  if (error instanceof CloudError) return error;
  const code = codeOf(error);
  const entry = entries[code];
  const said = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').trim() : '';
  if (entry === undefined)
    return new CloudError(
      {
        kind: 'engine',
        problem: `AWS failed while ${doing}: ${code}${said === '' ? '' : `, “${said}”`}.`,
        remedy: 'Try again. If it stays like this, look the error up with AWS.',
      },
      code,
    );
  const problem = `${entry.problem} (While ${doing}${entry === CANCELLED ? '' : `: ${code}`}.)`;
  return new CloudError({ ...entry, problem }, code);
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UnknownError';
  // Node's own errors of the network have a `code`; AWS' errors are known by their name.
  if (entries[error.name] !== undefined) return error.name;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
