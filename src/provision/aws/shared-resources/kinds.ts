// How each kind of shared resource is listed and deleted. Each kind comes before the kinds that it uses: the function and
// the instance profile before their roles.
import {
  CloudWatchLogsClient,
  DeleteLogGroupCommand,
  DescribeLogStreamsCommand,
  ListTagsForResourceCommand,
  paginateDescribeLogGroups,
} from '@aws-sdk/client-cloudwatch-logs';
import {
  DeleteKeyPairCommand,
  DeleteSecurityGroupCommand,
  DescribeKeyPairsCommand,
  EC2Client,
  paginateDescribeSecurityGroups,
} from '@aws-sdk/client-ec2';
import {
  DeleteInstanceProfileCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRoleCommand,
  IAMClient,
  paginateListAttachedRolePolicies,
  paginateListRolePolicies,
  RemoveRoleFromInstanceProfileCommand,
  type Tag,
} from '@aws-sdk/client-iam';
import { DeleteFunctionCommand, GetFunctionCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { TAG } from '../../../../infra/tags.ts';
import { allPages, clientSettings } from '../clients.ts';

export type SharedResource = {
  /** As in Pulumi's state: a resource of AWS and one of the state are the same if type and id are equal. */
  readonly type:
    | 'aws:lambda/function:Function'
    | 'aws:iam/role:Role'
    | 'aws:iam/instanceProfile:InstanceProfile'
    | 'aws:ec2/keyPair:KeyPair'
    | 'aws:ec2/securityGroup:SecurityGroup'
    | 'aws:cloudwatch/logGroup:LogGroup';
  readonly id: string;
  /** For people, such as `security group`. */
  readonly label: string;
  /** Deleting the resource would delete logs that are stored nowhere else. */
  readonly hasLogs: boolean;
};

/** One kind of resource. Both functions throw the errors of the AWS SDK. */
export type ResourceKind = {
  /** For people, in the plural. */
  readonly label: string;
  /** The resources with our uid tag. */
  list(signal: AbortSignal): Promise<readonly SharedResource[]>;
  /** Succeeds if the resource is gone already. */
  remove(id: string, signal: AbortSignal): Promise<void>;
};

/** The names to look for. */
export type ResourceOwner = {
  readonly region: string;
  readonly uid: string;
  readonly roles: readonly string[];
  readonly instanceProfile: string;
  readonly functionName: string;
  readonly logGroups: readonly string[];
};

export function resourceKinds(owner: ResourceOwner): readonly ResourceKind[] {
  const settings = clientSettings(owner.region);
  const iam = new IAMClient(settings);
  const ec2 = new EC2Client(settings);
  const logs = new CloudWatchLogsClient(settings);
  return [
    functionKind(new LambdaClient(settings), owner),
    profileKind(iam, owner),
    ...owner.roles.map((name) => roleKind(iam, name, owner.uid)),
    keyPairKind(ec2, owner),
    securityGroupKind(ec2, owner),
    ...owner.logGroups.map((name) => logGroupKind(logs, name, owner.uid)),
  ];
}

/** Names of the errors with which AWS says that a resource does not exist. */
const NOT_FOUND: ReadonlySet<string> = new Set([
  'InvalidGroup.NotFound',
  'InvalidKeyPair.NotFound',
  'NoSuchEntity',
  'NoSuchEntityException',
  'ResourceNotFoundException',
]);

/** Null if AWS says that the resource does not exist. */
async function nullIfMissing<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof Error && NOT_FOUND.has(error.name)) return null;
    throw error;
  }
}

function functionKind(lambda: LambdaClient, { functionName, uid }: ResourceOwner): ResourceKind {
  return {
    label: 'functions',
    list: async (abortSignal) => {
      const command = new GetFunctionCommand({ FunctionName: functionName });
      const found = await nullIfMissing(lambda.send(command, { abortSignal }));
      if (found?.Tags?.[TAG.uid] !== uid) return [];
      return [{ type: 'aws:lambda/function:Function', id: functionName, label: 'function', hasLogs: false }];
    },
    remove: async (FunctionName, abortSignal) => {
      await nullIfMissing(lambda.send(new DeleteFunctionCommand({ FunctionName }), { abortSignal }));
    },
  };
}

function hasUid(tags: readonly Tag[] | undefined, uid: string): boolean {
  return tags?.some(({ Key, Value }) => Key === TAG.uid && Value === uid) ?? false;
}

function profileKind(iam: IAMClient, { instanceProfile, uid }: ResourceOwner): ResourceKind {
  const find = async (InstanceProfileName: string, abortSignal: AbortSignal) => {
    const command = new GetInstanceProfileCommand({ InstanceProfileName });
    return (await nullIfMissing(iam.send(command, { abortSignal })))?.InstanceProfile ?? null;
  };
  return {
    label: 'instance profiles',
    list: async (abortSignal) => {
      const found = await find(instanceProfile, abortSignal);
      if (!hasUid(found?.Tags, uid)) return [];
      const type = 'aws:iam/instanceProfile:InstanceProfile';
      return [{ type, id: instanceProfile, label: 'instance profile', hasLogs: false }];
    },
    remove: async (InstanceProfileName, abortSignal) => {
      // IAM deletes no profile that still has a role.
      const found = await find(InstanceProfileName, abortSignal);
      for (const { RoleName } of found?.Roles ?? []) {
        const command = new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName });
        await nullIfMissing(iam.send(command, { abortSignal }));
      }
      const command = new DeleteInstanceProfileCommand({ InstanceProfileName });
      await nullIfMissing(iam.send(command, { abortSignal }));
    },
  };
}

function roleKind(iam: IAMClient, name: string, uid: string): ResourceKind {
  return {
    label: 'roles',
    list: async (abortSignal) => {
      const found = await nullIfMissing(iam.send(new GetRoleCommand({ RoleName: name }), { abortSignal }));
      if (!hasUid(found?.Role?.Tags, uid)) return [];
      return [{ type: 'aws:iam/role:Role', id: name, label: 'role', hasLogs: false }];
    },
    remove: async (RoleName, abortSignal) => {
      await nullIfMissing(removePolicies(iam, RoleName, abortSignal));
      await nullIfMissing(iam.send(new DeleteRoleCommand({ RoleName }), { abortSignal }));
    },
  };
}

/** IAM deletes no role that still has policies. */
async function removePolicies(client: IAMClient, RoleName: string, abortSignal: AbortSignal): Promise<void> {
  const inline = paginateListRolePolicies({ client }, { RoleName }, { abortSignal });
  for (const PolicyName of await allPages(inline, ({ PolicyNames }) => PolicyNames))
    await client.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }), { abortSignal });
  const attached = paginateListAttachedRolePolicies({ client }, { RoleName }, { abortSignal });
  for (const { PolicyArn } of await allPages(attached, ({ AttachedPolicies }) => AttachedPolicies))
    await client.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }), { abortSignal });
}

function keyPairKind(ec2: EC2Client, { uid }: ResourceOwner): ResourceKind {
  const Filters = [{ Name: `tag:${TAG.uid}`, Values: [uid] }];
  return {
    label: 'key pairs',
    list: async (abortSignal) => {
      const { KeyPairs = [] } = await ec2.send(new DescribeKeyPairsCommand({ Filters }), { abortSignal });
      return KeyPairs.flatMap(({ KeyName: id }): SharedResource[] =>
        id === undefined ? [] : [{ type: 'aws:ec2/keyPair:KeyPair', id, label: 'key pair', hasLogs: false }],
      );
    },
    remove: async (KeyName, abortSignal) => {
      await nullIfMissing(ec2.send(new DeleteKeyPairCommand({ KeyName }), { abortSignal }));
    },
  };
}

function securityGroupKind(ec2: EC2Client, { uid }: ResourceOwner): ResourceKind {
  const Filters = [{ Name: `tag:${TAG.uid}`, Values: [uid] }];
  return {
    label: 'security groups',
    list: async (abortSignal) => {
      const pages = paginateDescribeSecurityGroups({ client: ec2 }, { Filters }, { abortSignal });
      const groups = await allPages(pages, ({ SecurityGroups }) => SecurityGroups);
      const type = 'aws:ec2/securityGroup:SecurityGroup';
      return groups.flatMap(({ GroupId: id }): SharedResource[] =>
        id === undefined ? [] : [{ type, id, label: 'security group', hasLogs: false }],
      );
    },
    remove: async (GroupId, abortSignal) => {
      await nullIfMissing(ec2.send(new DeleteSecurityGroupCommand({ GroupId }), { abortSignal }));
    },
  };
}

/** The configuration names the log group, so another deployment may use it too: only the uid tag shows whose it is. */
function logGroupKind(client: CloudWatchLogsClient, name: string, uid: string): ResourceKind {
  const findArn = async (abortSignal: AbortSignal): Promise<string | null> => {
    const pages = paginateDescribeLogGroups({ client }, { logGroupNamePrefix: name }, { abortSignal });
    const groups = await allPages(pages, ({ logGroups }) => logGroups);
    const found = groups.find(({ logGroupName }) => logGroupName === name);
    // ListTagsForResource takes the ARN without the `:*` that stands for the log streams.
    return found ? (found.logGroupArn ?? found.arn ?? '').replace(/:\*$/, '') : null;
  };
  return {
    label: 'log groups',
    list: async (abortSignal) => {
      const resourceArn = await findArn(abortSignal);
      if (resourceArn === null) return [];
      const tagging = client.send(new ListTagsForResourceCommand({ resourceArn }), { abortSignal });
      if ((await nullIfMissing(tagging))?.tags?.[TAG.uid] !== uid) return [];
      const command = new DescribeLogStreamsCommand({ logGroupName: name, limit: 1 });
      const { logStreams = [] } = (await nullIfMissing(client.send(command, { abortSignal }))) ?? {};
      const type = 'aws:cloudwatch/logGroup:LogGroup';
      return [{ type, id: name, label: 'log group', hasLogs: logStreams.length > 0 }];
    },
    remove: async (logGroupName, abortSignal) => {
      await nullIfMissing(client.send(new DeleteLogGroupCommand({ logGroupName }), { abortSignal }));
    },
  };
}
