// Shared resources that an interrupted run created and that are missing from the Pulumi state: they are found by name and
// uid, deleted and reported. Resources of others, and those that may be in use, are kept.
import { CreateLogGroupCommand, CreateLogStreamCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateRoleCommand, DeleteRoleCommand, GetRoleCommand, type Tag } from '@aws-sdk/client-iam';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { AwsLab, Operation } from '../support/aws-lab.ts';
import type { TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-aws-lab.ts';

/** By Pulumi's names: resources without dependencies, then the others. */
const ROOTS = [
  'aws:cloudwatch/logGroup:LogGroup::logs',
  'aws:cloudwatch/logGroup:LogGroup::forwarder-logs',
  'aws:iam/role:Role::forwarder',
  'aws:iam/role:Role::machine',
  'aws:ec2/securityGroup:SecurityGroup::machines',
  'aws:ec2/keyPair:KeyPair::allocator',
];
const REST = ['aws:iam/instanceProfile:InstanceProfile::machine', 'aws:lambda/function:Function::forwarder'];

describe.skipIf(!motoIsThere())('shared resources of an interrupted run', { timeout: 300_000 }, () => {
  const table = createFaultTable('shared-resources');
  const shared = createSharedLab();
  let cloud: TestCloud;
  let lab: AwsLab;
  let seen: { lab: AwsLab | null; role: { RoleName: string; Tags: Tag[] } } = {
    lab: null,
    role: { RoleName: '', Tags: [] },
  };

  beforeEach(async () => {
    ({ cloud, lab } = await shared.take());
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await shared[Symbol.asyncDispose]();
  });

  const outputOf = async ({ id }: Operation): Promise<string> => (await lab.output(id)).join('\n');

  async function succeeds(operation: Operation): Promise<string> {
    const output = await outputOf(operation);
    expect(operation, output).toMatchObject({ status: 'succeeded' });
    return output;
  }

  /** The machines' role as a launch creates it; that launch is destroyed again. */
  async function roleOfLaunch(): Promise<{ RoleName: string; Tags: Tag[] }> {
    if (seen.lab === lab) return seen.role;
    await succeeds(await lab.launch(1));
    const line = (await cloud.sharedResources.list()).find((part) => /^role \S+-machine/.test(part));
    const RoleName = line?.split(' ')[1] ?? '';
    const { Role } = await cloud.sharedResources.iam.send(new GetRoleCommand({ RoleName }));
    await succeeds(await lab.destroy());
    await lab.server.db.deleteFrom('tombstones').execute();
    seen = { lab, role: { RoleName, Tags: Role?.Tags ?? [] } };
    return seen.role;
  }

  const makeRole = (role: { RoleName: string; Tags: Tag[] }) =>
    cloud.sharedResources.iam.send(new CreateRoleCommand({ ...role, AssumeRolePolicyDocument: '{}' }));

  test('resources that a dying plugin left are deleted by the same operation, and the next launch succeeds', async () => {
    const removed: string[] = [];
    const fault = 'the plugin dies while it creates a shared resource';
    for (const doomed of [ROOTS, REST]) {
      cloud.faults.dieCreating(...doomed);
      const launch = await lab.launch(1);
      const output = await outputOf(launch);
      expect(launch, output).toMatchObject({ status: 'failed', problem: { kind: 'engine' } });
      for (const [, label = ''] of output.matchAll(
        /An interrupted run left the (.+) \S+, which .* It was deleted/g,
      ))
        removed.push(label);
      const machines = (await lab.agree()).length;
      table.add({ fault, outcome: 'failed, engine', asked: 1, machines });
      cloud.faults.reset();
      await lab.server.db.deleteFrom('tombstones').execute();
    }
    expect(removed.sort()).toEqual([
      'function',
      'instance profile',
      'key pair',
      'log group',
      'log group',
      'role',
      'role',
      'security group',
    ]);
    await succeeds(await lab.launch(1));
    expect(await lab.agree()).toHaveLength(1);
    expect(await cloud.sharedResources.list()).toHaveLength(ROOTS.length + REST.length);
    const destroyed = await succeeds(await lab.destroy());
    expect(destroyed).toContain('Checked with AWS: no shared resources are left.');
    expect(await cloud.sharedResources.list()).toEqual([]);
  });

  test('a launch deletes a resource that is in its way, and succeeds', async () => {
    await makeRole(await roleOfLaunch());
    const output = await succeeds(await lab.launch(2));
    expect(output).toMatch(/An interrupted run left the role \S+-machine, .* It was deleted/);
    expect(await lab.agree()).toHaveLength(2);
    const fault = 'a shared resource outside the state in the way';
    table.add({ fault, outcome: 'succeeded', asked: 2, machines: 2 });
    await succeeds(await lab.destroy());
    expect(await cloud.sharedResources.list()).toEqual([]);
  });

  test('a resource with our name and another uid is kept, and the launch says what to do', async () => {
    const { RoleName, Tags } = await roleOfLaunch();
    const others = Tags.map((tag) => (tag.Key === 'lablink:uid' ? { ...tag, Value: 'another' } : tag));
    await makeRole({ RoleName, Tags: others });
    const launch = await lab.launch(1);
    expect(launch, await outputOf(launch)).toMatchObject({ status: 'failed' });
    expect(launch.problem?.remedy).toContain(
      'only if that does not help and no machine of this deployment uses it',
    );
    await succeeds(await lab.destroy());
    expect(await cloud.sharedResources.list()).toEqual([`role ${RoleName}`]);
    await cloud.sharedResources.iam.send(new DeleteRoleCommand({ RoleName }));
  });

  test('a log group with logs is kept by a launch and deleted by a destroy', async () => {
    const { RoleName, Tags } = await roleOfLaunch();
    const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value])) as Record<string, string>;
    const logGroupName = `/lablink/${RoleName.replace(/-machine$/, '')}`;
    await cloud.sharedResources.logs.send(new CreateLogGroupCommand({ logGroupName, tags }));
    await cloud.sharedResources.logs.send(
      new CreateLogStreamCommand({ logGroupName, logStreamName: 'lab-vm-test-1' }),
    );
    const launch = await lab.launch(1);
    const output = await outputOf(launch);
    expect(launch, output).toMatchObject({ status: 'failed' });
    expect(output).toContain(`An interrupted run left the log group ${logGroupName}`);
    expect(output).toContain('It is kept, because it contains logs.');
    expect(await cloud.sharedResources.list()).toContain(`log group ${logGroupName}`);
    expect(await succeeds(await lab.destroy())).toContain(`left the log group ${logGroupName}`);
    expect(await cloud.sharedResources.list()).toEqual([]);
  });

  test('resources are kept while a machine outside the state runs', async () => {
    const role = await roleOfLaunch();
    await makeRole(role);
    const uid = role.Tags.find(({ Key }) => Key === 'lablink:uid')?.Value ?? '';
    const orphan = await cloud.runOrphan({ 'lablink:uid': uid, 'lablink:hostname': 'lab-vm-test-9' });
    const output = await outputOf(await lab.destroy());
    expect(output).toContain('It is kept, because a machine that is missing from the state may use it.');
    expect(output).toMatch(/these shared resources are left: the role \S+\./);
    await cloud.terminate(orphan);
    await succeeds(await lab.destroy());
    expect(await cloud.sharedResources.list()).toEqual([]);
  });
});
