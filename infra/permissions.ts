// The permissions that the allocator needs on AWS, as an IAM policy: those of its own calls, and those of Pulumi's AWS plugin for
// the types of resources that client-vms.ts creates (plugin-calls.ts). test/aws/permissions.test.ts and plugin-calls.test.ts compare both
// with calls that they record.
import { namePattern } from './names.ts';
import { pluginCalls, withinOtherCalls } from './plugin-calls.ts';
import { TAG } from './tags.ts';

/** Calls that the allocator makes itself (src/provision/aws). */
export const allocatorActions = [
  'ec2:CreateTags',
  'ec2:DeleteKeyPair',
  'ec2:DeleteSecurityGroup',
  'ec2:DescribeImages',
  'ec2:DescribeInstanceTypeOfferings',
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeInstances',
  'ec2:DescribeKeyPairs',
  'ec2:DescribeSecurityGroups',
  'ec2:DescribeSubnets',
  'ec2:DescribeVpcs',
  'ec2:RebootInstances',
  'ec2:TerminateInstances',
  'iam:DeleteInstanceProfile',
  'iam:DeleteRole',
  'iam:DeleteRolePolicy',
  'iam:DetachRolePolicy',
  'iam:GetInstanceProfile',
  'iam:GetRole',
  'iam:ListAttachedRolePolicies',
  'iam:ListRolePolicies',
  'iam:RemoveRoleFromInstanceProfile',
  'lambda:DeleteFunction',
  'lambda:GetFunction',
  'lambda:ListTags',
  'logs:DeleteLogGroup',
  'logs:DescribeLogGroups',
  'logs:DescribeLogStreams',
  'logs:ListTagsForResource',
  's3:GetObject',
  's3:ListBucket',
  's3:PutObject',
  'servicequotas:GetServiceQuota',
  'sts:GetCallerIdentity',
] as const;

type PluginCall = (typeof pluginCalls)[keyof typeof pluginCalls][
  'create' | 'read' | 'update' | 'delete'][number];
type WithinCall = (typeof withinOtherCalls)[keyof typeof withinOtherCalls][number];

/** What Pulumi's AWS plugin needs, sorted. */
export const pluginActions: readonly (PluginCall | WithinCall)[] = withImplied(
  Object.values(pluginCalls).flatMap(({ create, read, update, delete: remove }) => [
    ...[...create, ...read, ...update, ...remove],
  ]),
);

/** With the permissions that AWS wants within these calls, each once, sorted. */
export function withImplied<Call extends string>(calls: readonly Call[]): (Call | WithinCall)[] {
  const implied: Readonly<Record<string, readonly WithinCall[]>> = withinOtherCalls;
  return [...new Set(calls.flatMap((call) => [call, ...(implied[call] ?? [])]))].sort();
}

/** What Pulumi does with a state in S3. */
export const stateActions = ['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject'] as const;

/** What backups in S3 need (src/backup/bucket.ts). */
export const backupActions = [
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:GetObject',
  's3:ListBucket',
  's3:PutObject',
] as const;

/** What the agent of Systems Manager needs, which opens a shell on the allocator's instance without an open port. */
const sessionActions = [
  'ssm:UpdateInstanceInformation',
  'ssmmessages:CreateControlChannel',
  'ssmmessages:CreateDataChannel',
  'ssmmessages:OpenControlChannel',
  'ssmmessages:OpenDataChannel',
] as const;

type Action =
  (typeof allocatorActions)[number] | (typeof pluginActions)[number] | (typeof stateActions)[number];

/** Of existing resources: only those with the tag of the deployment. */
const ONLY_OURS: readonly Action[] = [
  'ec2:AuthorizeSecurityGroupEgress',
  'ec2:AuthorizeSecurityGroupIngress',
  'ec2:CreateTags',
  'ec2:DeleteKeyPair',
  'ec2:DeleteSecurityGroup',
  'ec2:DeleteTags',
  'ec2:ModifyInstanceAttribute',
  'ec2:RebootInstances',
  'ec2:RevokeSecurityGroupEgress',
  'ec2:RevokeSecurityGroupIngress',
  'ec2:TerminateInstances',
];

/** The calls that set the first tags of what they create. */
const TAGGING: readonly Action[] = ['ec2:CreateSecurityGroup', 'ec2:ImportKeyPair', 'ec2:RunInstances'];

/** AWS gives these no resource to name: they list, or concern the account. */
const WITHOUT_RESOURCE: readonly Action[] = [
  'logs:DescribeLogGroups',
  'servicequotas:GetServiceQuota',
  'sts:GetCallerIdentity',
];

export type PolicyScope = {
  /** `aws`, or that of another part of AWS, such as `aws-us-gov`. */
  readonly partition?: string;
  readonly account: string;
  readonly region: string;
  /** `DEPLOYMENT`. */
  readonly deployment: string;
  /** The bucket of `PULUMI_BACKEND_URL`; null = the state is in the data folder. */
  readonly stateBucket: string | null;
  /** The bucket of `BACKUP_DIR`; null = backups are in a folder. */
  readonly backupBucket: string | null;
  /** `CLOUD_INIT_LOG_GROUP`; null = a name of ours. */
  readonly logGroup: string | null;
};

type Statement = {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
};

export type Policy = { readonly Version: '2012-10-17'; readonly Statement: readonly Statement[] };

/** The least that the allocator needs to launch, watch and destroy the machines of one deployment. Pure. */
export function allocatorPolicy(scope: PolicyScope): Policy {
  const { partition, account, region, deployment, stateBucket, backupBucket, logGroup } = scope;
  const actions = neededActions();
  const of = (service: string) => actions.filter((action) => action.startsWith(`${service}:`));
  const start = partition === undefined ? 'arn:aws' : `arn:${partition}`;
  const arn = (service: string, where: string, name: string) =>
    `${start}:${service}:${where}:${account}:${name}`;
  const names = namePattern(deployment);
  const roles = [arn('iam', '', `role/${names}`), arn('iam', '', `instance-profile/${names}`)];
  const groups = [`/lablink/${names}`, `/aws/lambda/${names}`, ...(logGroup === null ? [] : [logGroup])];
  const logs = groups.flatMap((name) => [
    arn('logs', region, `log-group:${name}`),
    arn('logs', region, `log-group:${name}:*`),
  ]);
  const forwarder = arn('lambda', region, `function:${names}`);
  const without =
    (excluded: readonly Action[]) =>
    (action: Action): boolean =>
      !excluded.includes(action);
  return {
    Version: '2012-10-17',
    Statement: [
      {
        ...allow('Machines', of('ec2').filter(without(ONLY_OURS)), '*'),
        Condition: { StringEquals: { 'aws:RequestedRegion': region } },
      },
      {
        ...allow('MachinesOfThisDeployment', ONLY_OURS, '*'),
        Condition: { StringEquals: { [`aws:ResourceTag/${TAG.deployment}`]: deployment } },
      },
      {
        ...allow('TagsOfNewResources', ['ec2:CreateTags'], '*'),
        Condition: {
          StringEquals: { 'ec2:CreateAction': TAGGING.map((action) => action.slice('ec2:'.length)) },
        },
      },
      allow('Roles', of('iam').filter(without(['iam:PassRole'])), roles),
      {
        ...allow('RolesOfMachinesAndForwarder', ['iam:PassRole'], roles.slice(0, 1)),
        Condition: {
          StringEquals: { 'iam:PassedToService': ['ec2.amazonaws.com', 'lambda.amazonaws.com'] },
        },
      },
      allow('Logs', of('logs').filter(without(WITHOUT_RESOURCE)), logs),
      allow('LogForwarder', of('lambda'), [forwarder]),
      allow('Account', WITHOUT_RESOURCE, '*'),
      ...(stateBucket === null
        ? []
        : bucketStatements('State', stateActions, `${start}:s3:::${stateBucket}`)),
      ...(backupBucket === null
        ? []
        : bucketStatements('Backup', backupActions, `${start}:s3:::${backupBucket}`)),
    ],
  };
}

/** For the role of an instance, so that people who may start sessions in the account can run commands on it. */
export function sessionPolicy(): Policy {
  return { Version: '2012-10-17', Statement: [allow('Session', sessionActions, '*')] };
}

function bucketStatements(name: string, actions: readonly string[], arn: string): Statement[] {
  const ofObjects = actions.filter((action) => action !== 's3:ListBucket');
  return [allow(`${name}Bucket`, ['s3:ListBucket'], [arn]), allow(name, ofObjects, [`${arn}/*`])];
}

function allow(Sid: string, Action: readonly string[], Resource: string | readonly string[]): Statement {
  return { Sid, Effect: 'Allow', Action, Resource };
}

/** Every action, sorted. */
function neededActions(): Action[] {
  const all = new Set<Action>([...allocatorActions, ...pluginActions, ...stateActions]);
  return [...all].sort();
}
