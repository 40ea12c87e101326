// What AWS says, and what is missing to reach it, as failures with a code. The order counts: the first match gives code,
// message and remedy.
import {
  engineRules,
  explainFailure,
  type EngineCause,
  type FailureRule,
  type RunFailure,
} from '../engine/failure.ts';

type AwsCause =
  | 'invalid_credentials'
  | 'not_authorized'
  | 'vcpu_limit'
  | 'no_capacity'
  | 'plugin_missing'
  | 'cli_missing'
  | 'exists_outside_state'
  | 'invalid_configuration'
  | 'aws_unreachable';

const rules: readonly FailureRule<AwsCause | EngineCause>[] = [
  engineRules.wrong_passphrase,
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
  engineRules.state_locked,
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
  engineRules.disk_full,
  engineRules.state_read_only,
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
  engineRules.cancelled,
  {
    cause: 'aws_unreachable',
    pattern: /Throttling|RequestLimitExceeded|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|dial tcp/i,
    code: 'engine',
    message: 'AWS could not be reached, or received too many requests.',
    remedy: 'Check the network of this server, then try again.',
  },
  engineRules.program_failed,
];

/** @param output everything that was printed, without secrets */
export function explainOutput(output: string): RunFailure {
  return explainFailure(output, rules);
}

/** Whether the engine reported this cause. */
export function hasCause(failure: RunFailure | null, cause: AwsCause | EngineCause): boolean {
  return failure?.causes?.includes(cause) ?? false;
}
