// Turns the errors of the AWS SDK into failures with a code. Decides by the name of the error alone.
import type { ProvisionFailure } from '../provider.ts';

/** Thrown by everything that calls AWS. */
export class CloudError extends Error {
  readonly failure: ProvisionFailure;
  /** The name that AWS gives the error, such as `VcpuLimitExceeded`. */
  readonly awsCode: string;
  constructor(failure: ProvisionFailure, awsCode: string) {
    super(failure.message);
    this.name = 'CloudError';
    this.failure = failure;
    this.awsCode = awsCode;
  }
}

type Rule = ProvisionFailure & { readonly names: readonly string[] };

/** `names` are those of AWS errors, and the codes of Node's network errors. */
const rules: readonly Rule[] = [
  {
    names: ['CredentialsProviderError'],
    code: 'credentials',
    message: 'No AWS credentials were found.',
    remedy:
      'Give this server an instance role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE), and start it again.',
  },
  {
    names: ['ExpiredToken', 'ExpiredTokenException', 'RequestExpired', 'TokenRefreshRequired'],
    code: 'credentials',
    message: 'The AWS credentials have expired.',
    remedy: 'Sign in again (`aws sso login`) or set new keys, then try again.',
  },
  {
    // prettier-ignore
    names: [
      'AuthFailure', 'IncompleteSignature', 'InvalidAccessKeyId', 'InvalidClientTokenId', 'InvalidSignatureException',
      'MissingAuthenticationToken', 'SignatureDoesNotMatch', 'UnrecognizedClientException',
    ],
    code: 'credentials',
    message: 'AWS rejected the credentials.',
    remedy:
      'Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and that the clock of this server is correct.',
  },
  {
    // prettier-ignore
    names: [
      'AccessDenied', 'AccessDeniedException', 'Blocked', 'OptInRequired', 'PendingVerification', 'UnauthorizedOperation',
    ],
    code: 'credentials',
    message: 'The AWS credentials do not allow this.',
    remedy:
      'Ask the administrator of the account to add the permission; docs/aws.md lists the permissions that are required.',
  },
  {
    names: ['VcpuLimitExceeded', 'InstanceLimitExceeded'],
    code: 'quota',
    message: 'The vCPU quota of the AWS account is used up.',
    remedy:
      'Request a higher quota (`lablink doctor --vms <number>` shows which and where), or launch fewer machines.',
  },
  {
    names: ['InsufficientInstanceCapacity', 'InsufficientHostCapacity', 'Unsupported'],
    code: 'capacity',
    message: 'AWS has no machine of this type available in this zone right now.',
    remedy: 'Try again in a few minutes, or add more types to `machine_types`.',
  },
  {
    names: ['RequestLimitExceeded', 'Throttling', 'ThrottlingException', 'TooManyRequestsException'],
    code: 'engine',
    message: 'AWS received too many requests.',
    remedy: 'Wait a minute, then try again.',
  },
  {
    // prettier-ignore
    names: [
      'TimeoutError', 'RequestTimeout',
      'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EPIPE', 'ETIMEDOUT',
    ],
    code: 'timeout',
    message: 'AWS did not answer in time.',
    remedy: 'Check the network of this server (and AWS_ENDPOINT_URL, if it is set), then try again.',
  },
  {
    names: ['AbortError'],
    code: 'cancelled',
    message: 'The request to AWS was cancelled.',
    remedy: 'Try again if you still need it.',
  },
];

function findRule(name: string): Rule | undefined {
  return rules.find(({ names }) => names.includes(name));
}

/** @param action completes the sentence "AWS failed while …" */
export function toCloudError(error: unknown, action: string): CloudError {
  if (error instanceof CloudError) return error;
  const awsCode = errorCode(error);
  const rule = findRule(awsCode);
  if (rule !== undefined) {
    const { code, remedy } = rule;
    const message = `${rule.message} (While ${action}${code === 'cancelled' ? '' : `: ${awsCode}`}.)`;
    return new CloudError({ code, message, remedy }, awsCode);
  }
  const text = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').trim() : '';
  return new CloudError(
    {
      code: 'engine',
      message: `AWS failed while ${action}: ${awsCode}${text === '' ? '' : `, “${text}”`}.`,
      remedy: 'Try again. If it fails again, look up the error in the AWS documentation.',
    },
    awsCode,
  );
}

function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return 'UnknownError';
  // Node's network errors have a `code`; AWS errors are known by their name.
  if (findRule(error.name) !== undefined) return error.name;
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
