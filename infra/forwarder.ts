// The log forwarder: a Lambda function with its role and log group, and the subscription filter that sends it the machines'
// log lines. The code of the function is log-forwarder/index.mjs.
import { readFileSync } from 'node:fs';
import { asset, interpolate, secret } from '@pulumi/pulumi';
import { LogGroup } from '@pulumi/aws/cloudwatch/logGroup.js';
import { LogSubscriptionFilter } from '@pulumi/aws/cloudwatch/logSubscriptionFilter.js';
import { Role } from '@pulumi/aws/iam/role.js';
import { RolePolicy } from '@pulumi/aws/iam/rolePolicy.js';
import { Function as LambdaFunction } from '@pulumi/aws/lambda/function.js';
import { Permission } from '@pulumi/aws/lambda/permission.js';
import type { ResourceNames } from './names.ts';
import { trustPolicy, writeLogsPolicy } from './policies.ts';
import type { ClientVmsSpec } from './spec.ts';
import { sharedTags } from './tags.ts';

const PROGRAM = readFileSync(new URL('log-forwarder/index.mjs', import.meta.url), 'utf8');

/** Longer than all attempts of the function together. */
const TIMEOUT_SECONDS = 120;
const MEMORY_MB = 256;

export function createLogForwarder(spec: ClientVmsSpec, names: ResourceNames, logGroup: LogGroup): void {
  const tags = sharedTags(spec, names.forwarder);
  // Lambda would create a log group that is never deleted; this one has a retention time and is destroyed with the rest.
  const ownLogs = new LogGroup('forwarder-logs', {
    name: names.forwarderLogGroup,
    retentionInDays: spec.logs.retentionDays,
    tags,
  });
  const role = new Role('forwarder', {
    name: names.forwarder,
    description: 'What the log forwarder of a LabLink allocator may do: write its own logs',
    assumeRolePolicy: trustPolicy('lambda.amazonaws.com'),
    // A policy outside the Pulumi state must not block the deletion.
    forceDetachPolicies: true,
    tags,
  });
  const policy = new RolePolicy('forwarder-logs', {
    name: 'write-own-logs',
    role: role.name,
    policy: writeLogsPolicy(ownLogs.arn),
  });
  const forwarder = new LambdaFunction(
    'forwarder',
    {
      name: names.forwarder,
      description: 'Sends the log lines of client VMs to their LabLink allocator',
      role: role.arn,
      runtime: 'nodejs24.x',
      handler: 'index.handler',
      code: new asset.AssetArchive({ 'index.mjs': new asset.StringAsset(PROGRAM) }),
      timeout: TIMEOUT_SECONDS,
      memorySize: MEMORY_MB,
      environment: {
        variables: {
          ALLOCATOR_URL: spec.allocator.url,
          LOG_FORWARDER_TOKEN: secret(spec.logs.forwarderToken),
        },
      },
      tags,
    },
    { dependsOn: [policy] },
  );
  const permission = new Permission('forwarder', {
    action: 'lambda:InvokeFunction',
    function: forwarder.name,
    principal: 'logs.amazonaws.com',
    sourceArn: interpolate`${logGroup.arn}:*`,
  });
  new LogSubscriptionFilter(
    'forwarder',
    {
      name: names.forwarder,
      logGroup: logGroup.name,
      filterPattern: '',
      destinationArn: forwarder.arn,
    },
    { dependsOn: [permission] },
  );
}
