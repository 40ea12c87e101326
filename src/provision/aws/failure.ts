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
  | 'other_limit'
  | 'disk_key'
  | 'no_capacity'
  | 'plugin_missing'
  | 'cli_missing'
  | 'exists_outside_state'
  | 'invalid_configuration'
  | 'aws_throttled'
  | 'aws_server_error'
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
      /VcpuLimitExceeded|InstanceLimitExceeded|vCPU (?:limit|capacity than)|MaxSpotInstanceCountExceeded/i,
    code: 'quota',
    message: 'The AWS account has reached its vCPU limit for machines of this type.',
    remedy:
      'Request a higher limit under Service Quotas, Amazon EC2 (`lablink doctor --vms N` shows which), or launch fewer machines.',
  },
  {
    cause: 'other_limit',
    pattern: /\b(?!(?:Request|Vcpu|Instance)LimitExceeded)\w+LimitExceeded|\bLimitExceededException/i,
    code: 'quota',
    message: 'The AWS account has reached one of its limits.',
    remedy:
      'Request a higher value of the limit that the output names (Service Quotas), or delete what is not needed.',
  },
  {
    cause: 'disk_key',
    pattern: /Client\.InternalError|KMS\w*Exception|KMS key/i,
    code: 'credentials',
    message: 'AWS cannot use the key (KMS) that encrypts the disks of the machines.',
    remedy:
      'Allow this server to use the key that EBS encrypts disks with by default, or choose another default key in EC2.',
  },
  {
    cause: 'no_capacity',
    pattern:
      /Insufficient(?:Instance|Host|ReservedInstance|Volume)?Capacity|InsufficientFreeAddressesInSubnet|Unsupported: .*Availability Zone|not supported in your requested Availability Zone/i,
    code: 'capacity',
    message: 'AWS has no machine of this type available right now in any of the zones that were tried.',
    remedy: 'Try again later, or add more types to machine.machine_types.',
  },
  engineRules.state_locked,
  engineRules.state_unreadable,
  engineRules.lock_unreadable,
  {
    cause: 'plugin_missing',
    pattern: /no resource plugin 'pulumi-resource-aws'/i,
    code: 'engine',
    message: 'The AWS plugin of Pulumi is not installed.',
    remedy: 'Run `lablink setup` (in a checkout: `make setup-aws`) on this server.',
  },
  {
    cause: 'cli_missing',
    pattern: /spawn pulumi ENOENT|spawn \S*bin\/pulumi (?:ENOENT|EACCES)|ENOENT: .*bin\/pulumi/i,
    code: 'engine',
    message: 'The Pulumi CLI is not installed.',
    remedy: 'Run `lablink setup` (in a checkout: `make setup-aws`) on this server.',
  },
  engineRules.disk_full,
  engineRules.state_read_only,
  {
    cause: 'exists_outside_state',
    pattern:
      /EntityAlreadyExists|ResourceAlreadyExists|ResourceConflictException|InvalidGroup\.Duplicate|InvalidKeyPair\.Duplicate/i,
    code: 'engine',
    message:
      'AWS has a resource of this deployment that is missing from the Pulumi state: a run was interrupted while it created it, or somebody else has taken the name.',
    remedy:
      'Destroy all machines, which deletes it too. Delete the resource that the output names in the AWS console only if that does not help and no machine of this deployment uses it.',
  },
  {
    cause: 'invalid_configuration',
    pattern:
      /InvalidAMIID|InvalidBlockDeviceMapping|InvalidParameter|InvalidSubnet|InvalidVpc|InvalidInstanceType|InvalidUserData|Unsupported:|is not supported/i,
    code: 'program',
    message: 'AWS does not accept a value of the configuration.',
    remedy:
      'Correct the key of the config file that the output names (machine.*, app.region), then try again.',
  },
  engineRules.cancelled,
  {
    cause: 'aws_throttled',
    pattern: /Throttl|RequestLimitExceeded|TooManyRequests/i,
    code: 'engine',
    message: 'AWS received too many requests.',
    remedy: 'Wait a few minutes, then launch the missing machines again.',
  },
  {
    cause: 'aws_server_error',
    pattern:
      /(?<!Client\.)InternalError|InternalFailure|ServiceUnavailable|\bUnavailable\b|StatusCode: 5\d\d/i,
    code: 'engine',
    message: 'AWS failed to answer a request.',
    remedy:
      'Wait a few minutes (health.aws.amazon.com shows outages), then launch the missing machines again.',
  },
  {
    cause: 'aws_unreachable',
    pattern: /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|dial tcp/i,
    code: 'engine',
    message: 'AWS could not be reached.',
    remedy: 'Check the network of this server, then try again.',
  },
  engineRules.program_failed,
];

const AGAIN = 'Wait a few minutes (health.aws.amazon.com shows outages), then run the same command again.';
/** What differs where an allocator's own instance is created (`lablink deploy`). */
const ofDeployment: Readonly<Partial<Record<AwsCause | EngineCause, Partial<FailureRule>>>> = {
  vcpu_limit: {
    remedy: 'Request a higher limit under Service Quotas, Amazon EC2, or use a smaller --type.',
  },
  no_capacity: {
    message: 'AWS has no instance of this type available right now in the zone of the data volume.',
    remedy: 'Run the same command again later, or with another --type. Until then there is no instance.',
  },
  exists_outside_state: {
    remedy:
      'Run this command where the allocator was deployed, or delete what the output names in the console of AWS.',
  },
  invalid_configuration: {
    remedy: 'Correct the option that the output names (--ami, --type), then run the command again.',
  },
  aws_throttled: { remedy: AGAIN },
  aws_server_error: { remedy: AGAIN },
};
const deploymentRules = rules.map((rule) => ({ ...rule, ...ofDeployment[rule.cause] }));

/** @param output everything that was printed, without secrets */
export function explainOutput(output: string): RunFailure {
  return explainFailure(output, rules);
}

/** The same for a run that deploys an allocator. */
export function explainDeployment(output: string): RunFailure {
  return explainFailure(output, deploymentRules);
}

/** Whether the engine reported this cause. */
export function hasCause(failure: RunFailure | null, cause: AwsCause | EngineCause): boolean {
  return failure?.causes?.includes(cause) ?? false;
}
