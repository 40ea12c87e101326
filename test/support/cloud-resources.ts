// Lists the shared resources with separate clients: everything except machines and the emulator's own resources.
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeSubscriptionFiltersCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { DescribeKeyPairsCommand, DescribeSecurityGroupsCommand, type EC2Client } from '@aws-sdk/client-ec2';
import {
  GetInstanceProfileCommand,
  IAMClient,
  ListInstanceProfilesCommand,
  ListRolePoliciesCommand,
  ListRolesCommand,
} from '@aws-sdk/client-iam';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';

type Settings = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
};

export type SharedResourcesReader = {
  /** Sorted lines such as `role lab-test-…-machine`, with what belongs to each behind it. */
  list(): Promise<string[]>;
  destroy(): void;
  readonly iam: IAMClient;
  readonly logs: CloudWatchLogsClient;
  readonly lambda: LambdaClient;
};

export function readSharedResources(ec2: EC2Client, settings: Settings): SharedResourcesReader {
  const iam = new IAMClient(settings);
  const logs = new CloudWatchLogsClient(settings);
  const lambda = new LambdaClient(settings);
  const groups = async (): Promise<string[]> => {
    const { SecurityGroups = [] } = await ec2.send(new DescribeSecurityGroupsCommand({}));
    return SecurityGroups.flatMap(({ GroupName }) =>
      GroupName === 'default' ? [] : `security group ${GroupName}`,
    );
  };
  const keys = async (): Promise<string[]> => {
    const { KeyPairs = [] } = await ec2.send(new DescribeKeyPairsCommand({}));
    return KeyPairs.map(({ KeyName }) => `key pair ${KeyName}`);
  };
  const roles = async (): Promise<string[]> => {
    const { Roles = [] } = await iam.send(new ListRolesCommand({}));
    return Promise.all(
      Roles.map(async ({ RoleName }) => {
        const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
        return `role ${RoleName} ${PolicyNames.join(' ')}`.trim();
      }),
    );
  };
  const profiles = async (): Promise<string[]> => {
    const { InstanceProfiles = [] } = await iam.send(new ListInstanceProfilesCommand({}));
    return Promise.all(
      InstanceProfiles.map(async ({ InstanceProfileName }) => {
        const command = new GetInstanceProfileCommand({ InstanceProfileName });
        const { InstanceProfile } = await iam.send(command);
        const names = (InstanceProfile?.Roles ?? []).map(({ RoleName }) => RoleName);
        return `instance profile ${InstanceProfileName} ${names.join(' ')}`.trim();
      }),
    );
  };
  const logGroups = async (): Promise<string[]> => {
    const { logGroups: found = [] } = await logs.send(new DescribeLogGroupsCommand({}));
    return Promise.all(
      found.map(async ({ logGroupName }) => {
        const command = new DescribeSubscriptionFiltersCommand({ logGroupName });
        const { subscriptionFilters = [] } = await logs.send(command);
        return `log group ${logGroupName} ${subscriptionFilters.map(({ filterName }) => filterName).join(' ')}`.trim();
      }),
    );
  };
  const functions = async (): Promise<string[]> => {
    const { Functions = [] } = await lambda.send(new ListFunctionsCommand({}));
    return Functions.map(({ FunctionName }) => `function ${FunctionName}`);
  };
  return {
    iam,
    logs,
    lambda,
    list: async () => {
      const kinds = [groups(), keys(), roles(), profiles(), logGroups(), functions()];
      return (await Promise.all(kinds)).flat().sort();
    },
    destroy: () => {
      for (const client of [iam, logs, lambda]) client.destroy();
    },
  };
}
