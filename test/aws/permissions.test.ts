// The published policy against the calls that are made: each allowed action is one that something calls. That nothing else is
// called, every test with the cloud double checks at its end.
import { CreateLogGroupCommand, CreateLogStreamCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateSecurityGroupCommand, ImportKeyPairCommand, type ResourceType } from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { CreateFunctionCommand } from '@aws-sdk/client-lambda';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { beforeAll, afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { resourceNames } from '../../infra/names.ts';
import {
  allocatorActions,
  allocatorPolicy,
  backupActions,
  pluginActions,
  stateActions,
  withImplied,
} from '../../infra/permissions.ts';
import { TAG } from '../../infra/tags.ts';
import { openPlace } from '../../src/backup/place.ts';
import { textInBucket } from '../../src/provision/aws/bucket-check.ts';
import { createCloud } from '../../src/provision/aws/cloud.ts';
import { checkState } from '../../src/provision/aws/doctor/state.ts';
import { createSharedResources } from '../../src/provision/aws/shared-resources/shared-resources.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { fleetSpec } from '../infra/fixture.ts';
import { TEST_CREDENTIALS } from '../support/aws-requests.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

const deployment = { name: 'lab', environment: 'test' };
const uid = 'a3c1f8d2-7a52-4c7e-8a5f-1d2f3a4b5c6d';
const scope = {
  ...{ account: '123456789012', region: 'us-east-1', deployment: 'lab', logGroup: null },
  ...{ stateBucket: 'lab-state', backupBucket: 'lab-backups' },
};
const signal = new AbortController().signal;

test('every action of the policy is needed, and an action that can be limited to this deployment is', () => {
  const allowed = allocatorPolicy(scope).Statement.flatMap(({ Action }) => Action);
  const needed = [...allocatorActions, ...stateActions, ...backupActions, ...pluginActions];
  expect([...new Set(allowed)].sort()).toEqual([...new Set<string>(needed)].sort());
  const text = JSON.stringify(allocatorPolicy(scope));
  // The limit of IAM for a managed policy.
  expect(text.length).toBeLessThan(6_144);
  const anywhere = allocatorPolicy(scope).Statement.filter(
    ({ Resource, Condition }) => Resource === '*' && Condition === undefined,
  );
  expect(anywhere.map(({ Sid }) => Sid)).toEqual(['Account']);
});

test('the names of the resources of a deployment match the pattern of its policy', () => {
  const names = resourceNames({ ...fleetSpec(), deployment: 'A very long name of a workshop in Tübingen' });
  const statement = allocatorPolicy({
    ...scope,
    deployment: 'A very long name of a workshop in Tübingen',
  }).Statement;
  const [role] = statement.find(({ Sid }) => Sid === 'Roles')?.Resource ?? [];
  const prefix = role?.split('role/')[1]?.replace('*', '');
  expect(prefix).not.toBe('');
  expect(names.machineRole.startsWith(prefix ?? '?')).toBe(true);
  expect(names.forwarder.startsWith(prefix ?? '?')).toBe(true);
});

describe.skipIf(!motoIsThere())('the calls of the allocator', { timeout: 120_000 }, () => {
  let cloud: TestCloud;
  let s3: S3Client;
  beforeAll(async () => {
    cloud = await startCloud();
    for (const [name, value] of Object.entries(cloud.env)) vi.stubEnv(name, value);
    s3 = new S3Client({
      ...{ endpoint: cloud.endpoint, region: cloud.region, forcePathStyle: true },
      credentials: TEST_CREDENTIALS,
    });
  }, 120_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    s3.destroy();
    await cloud[Symbol.asyncDispose]();
  });

  test('every permission for the allocator itself is one that it uses', async () => {
    const { region } = cloud;
    const sshPublicKey = makeSshKeyPair().publicKey;
    const logGroup = '/lablink/lab';
    await createSharedParts(cloud, sshPublicKey, logGroup);
    await s3.send(new CreateBucketCommand({ Bucket: 'lab-state' }));
    const ours = { [TAG.uid]: uid, [TAG.deployment]: 'lab', [TAG.environment]: 'test' };
    const machine = await cloud.runOrphan(ours);

    const asked = createCloud({ region, uid, terminatePollMs: 10 });
    await asked.caller();
    await asked.listForeign(deployment);
    await asked.adopt(machine);
    await asked.reboot(machine);
    await asked.describeTypes(['t3.micro']);
    await asked.network({});
    await asked.image('ami-03cf127a');
    await asked.onDemandQuota('standard');
    await asked.terminate([machine]);
    const shared = createSharedResources({ region, deployment, uid, sshPublicKey, logGroup });
    const { resources, problems } = await shared.list(signal);
    expect(problems).toEqual([]);
    for (const resource of resources) await shared.remove(resource, signal);
    expect((await shared.list(signal)).resources).toEqual([]);
    const backendUrl = 's3://lab-state/workshop';
    const owner = textInBucket(`${backendUrl}?region=${region}`, 'owner');
    await owner?.write('me');
    expect(await owner?.read()).toBe('me');
    expect((await checkState({ backendUrl, folder: '/nowhere', region }, signal)).result.ok).toBe(true);

    const made = cloud.requests().flatMap(({ by, action }) => (by === 'allocator' ? action : []));
    expect(withImplied(made)).toEqual([...allocatorActions].sort());
  });
});

test.skipIf(!motoIsThere())(
  'every permission for backups in a bucket is one that they use',
  { timeout: 120_000 },
  async () => {
    await using cloud = await startCloud();
    for (const [name, value] of Object.entries(cloud.env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const { endpoint, region } = cloud;
    const s3 = new S3Client({ endpoint, region, forcePathStyle: true, credentials: TEST_CREDENTIALS });
    onTestFinished(() => s3.destroy());
    await s3.send(new CreateBucketCommand({ Bucket: 'lab-backups' }));
    const place = await openPlace('s3://lab-backups/of/mine');
    await place.put('small', (out) => pipeline(['a backup'], out));
    await place.put('large', (out) => pipeline(MORE_THAN_ONE_PART, out));
    const broken = place.put('broken', async (out) => {
      await pipeline(MORE_THAN_ONE_PART, out, { end: false });
      throw new Error('the database went away');
    });
    await expect(broken).rejects.toThrow('the database went away');
    // Their parts would stay in the bucket, invisible and charged for.
    const { Uploads: unfinished = [] } = await s3.send(
      new ListMultipartUploadsCommand({ Bucket: 'lab-backups' }),
    );
    expect(unfinished).toEqual([]);
    expect(await place.list()).toEqual(['large', 'small']);
    expect(await text(await place.read('small'))).toBe('a backup');
    await place.remove('small');
    expect(await place.list()).toEqual(['large']);
    const made = cloud.requests().map(({ action }) => action);
    expect(made.sort()).toEqual(backupActions);
  },
);

/** S3 takes parts of at least 5 MB; ours have 16. */
const MORE_THAN_ONE_PART = Array.from({ length: 36 }, () => Buffer.alloc(1024 * 1024));

/** Of each kind one, as a run of Pulumi that broke off leaves them. */
async function createSharedParts(cloud: TestCloud, sshPublicKey: string, logGroup: string): Promise<void> {
  const { iam, logs, lambda } = cloud.sharedResources;
  const names = resourceNames({
    ...{ deployment: deployment.name, environment: deployment.environment },
    ...{ deploymentUid: uid, sshPublicKey },
  });
  const tags = { [TAG.uid]: uid };
  const Tags = [{ Key: TAG.uid, Value: uid }];
  const tagged = (ResourceType: ResourceType) => ({ TagSpecifications: [{ ResourceType, Tags }] });
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [] });
  for (const RoleName of [names.machineRole, names.forwarder]) {
    await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument, Tags }));
    const PolicyDocument = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'logs:PutLogEvents', Resource: '*' }],
    });
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'logs', PolicyDocument }));
    const { Policy } = await iam.send(new CreatePolicyCommand({ PolicyName: RoleName, PolicyDocument }));
    await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: Policy?.Arn }));
  }
  const InstanceProfileName = names.machineRole;
  await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName, Tags }));
  await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName: names.machineRole }));
  await cloud.ec2.send(
    new CreateSecurityGroupCommand({
      ...{ GroupName: names.securityGroup, Description: 'test' },
      ...tagged('security-group'),
    }),
  );
  await cloud.ec2.send(
    new ImportKeyPairCommand({
      ...{ KeyName: names.keyPair, PublicKeyMaterial: Buffer.from(sshPublicKey) },
      ...tagged('key-pair'),
    }),
  );
  await logs.send(new CreateLogGroupCommand({ logGroupName: logGroup, tags }));
  await logs.send(new CreateLogStreamCommand({ logGroupName: logGroup, logStreamName: 'vm-1' }));
  await logs.send(new CreateLogGroupCommand({ logGroupName: names.forwarderLogGroup, tags }));
  await lambda.send(
    new CreateFunctionCommand({
      ...{ FunctionName: names.forwarder, Role: `arn:aws:iam::123456789012:role/${names.forwarder}` },
      ...{ Runtime: 'nodejs22.x', Handler: 'index.handler', Code: { ZipFile: EMPTY_ZIP }, Tags: tags },
    }),
  );
}

const EMPTY_ZIP = Buffer.from('504b0506000000000000000000000000000000000000', 'hex');
