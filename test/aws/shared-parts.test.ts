// What machines share, where a run broke off in the middle of making it: it exists in AWS, and no state knows it. It is
// found by name and uid, removed and told; what is another's, or may be needed, stays.
import { CreateLogGroupCommand, CreateLogStreamCommand } from '@aws-sdk/client-cloudwatch-logs';
import { CreateRoleCommand, DeleteRoleCommand, GetRoleCommand, type Tag } from '@aws-sdk/client-iam';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { AwsLab, Operation } from '../support/aws-lab.ts';
import { cloudIsThere, type TestCloud } from '../support/cloud.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-lab.ts';

/** As the engine calls them: those that need no other, then the rest. */
const ROOTS = [
  'aws:cloudwatch/logGroup:LogGroup::logs',
  'aws:cloudwatch/logGroup:LogGroup::forwarder-logs',
  'aws:iam/role:Role::forwarder',
  'aws:iam/role:Role::machine',
  'aws:ec2/securityGroup:SecurityGroup::machines',
  'aws:ec2/keyPair:KeyPair::allocator',
];
const REST = ['aws:iam/instanceProfile:InstanceProfile::machine', 'aws:lambda/function:Function::forwarder'];

describe.skipIf(!cloudIsThere())('what machines share, of an interrupted run', { timeout: 300_000 }, () => {
  const table = createFaultTable('shared-parts');
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

  const said = async ({ id }: Operation): Promise<string> => (await lab.output(id)).join('\n');

  async function succeeds(operation: Operation): Promise<string> {
    const output = await said(operation);
    expect(operation, output).toMatchObject({ status: 'succeeded' });
    return output;
  }

  /** The machines' role as a launch makes it; nothing of that launch is left. */
  async function roleOfLaunch(): Promise<{ RoleName: string; Tags: Tag[] }> {
    if (seen.lab === lab) return seen.role;
    await succeeds(await lab.launch(1));
    const line = (await cloud.parts.list()).find((part) => /^role \S+-machine/.test(part));
    const RoleName = line?.split(' ')[1] ?? '';
    const { Role } = await cloud.parts.iam.send(new GetRoleCommand({ RoleName }));
    await succeeds(await lab.destroy());
    await lab.server.db.deleteFrom('tombstones').execute();
    seen = { lab, role: { RoleName, Tags: Role?.Tags ?? [] } };
    return seen.role;
  }

  const makeRole = (role: { RoleName: string; Tags: Tag[] }) =>
    cloud.parts.iam.send(new CreateRoleCommand({ ...role, AssumeRolePolicyDocument: '{}' }));

  test('the plugin dies while it makes each: the same operation clears it up, and the next goes on', async () => {
    const removed: string[] = [];
    const fault = 'the plugin dies while it makes a shared part';
    for (const doomed of [ROOTS, REST]) {
      cloud.faults.dieCreating(...doomed);
      const launch = await lab.launch(1);
      const output = await said(launch);
      expect(launch, output).toMatchObject({ status: 'failed', problem: { kind: 'engine' } });
      for (const [, what = ''] of output.matchAll(
        /The (.+) \S+ is left of an interrupted run.*it was removed/g,
      ))
        removed.push(what);
      const machines = (await lab.agree()).length;
      table.add({ fault, outcome: 'failed, engine', asked: 1, machines, then: '1, 0' });
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
    expect(await cloud.parts.list()).toHaveLength(ROOTS.length + REST.length);
    const destroyed = await succeeds(await lab.destroy());
    expect(destroyed).toContain('AWS was asked: nothing is left of what machines shared.');
    expect(await cloud.parts.list()).toEqual([]);
  });

  test('what is in the way of a launch is removed by it, and the launch succeeds', async () => {
    await makeRole(await roleOfLaunch());
    const output = await succeeds(await lab.launch(2));
    expect(output).toMatch(/The role \S+-machine is left of an interrupted run.*it was removed/);
    expect(await lab.agree()).toHaveLength(2);
    const fault = 'a shared part that no state knows in the way';
    table.add({ fault, outcome: 'succeeded', asked: 2, machines: 2, then: '-, 0' });
    await succeeds(await lab.destroy());
    expect(await cloud.parts.list()).toEqual([]);
  });

  test("what has our name and another's uid stays, and the launch says what to do", async () => {
    const { RoleName, Tags } = await roleOfLaunch();
    const others = Tags.map((tag) => (tag.Key === 'lablink:uid' ? { ...tag, Value: 'another' } : tag));
    await makeRole({ RoleName, Tags: others });
    const launch = await lab.launch(1);
    expect(launch, await said(launch)).toMatchObject({ status: 'failed' });
    expect(launch.problem?.remedy).toContain('Delete what the output names');
    await succeeds(await lab.destroy());
    expect(await cloud.parts.list()).toEqual([`role ${RoleName}`]);
    await cloud.parts.iam.send(new DeleteRoleCommand({ RoleName }));
  });

  test('a log group with logs in it is not removed by a launch, and by a destroy it is', async () => {
    const { Tags } = await roleOfLaunch();
    const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value])) as Record<string, string>;
    const logGroupName = '/lablink/lab/test';
    await cloud.parts.logs.send(new CreateLogGroupCommand({ logGroupName, tags }));
    await cloud.parts.logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName: 'lab-vm-test-1' }));
    const launch = await lab.launch(1);
    const output = await said(launch);
    expect(launch, output).toMatchObject({ status: 'failed' });
    expect(output).toContain(`The log group ${logGroupName} is left of an interrupted run`);
    expect(output).toContain('it stays, since there are logs in it.');
    expect(await cloud.parts.list()).toContain(`log group ${logGroupName}`);
    expect(await succeeds(await lab.destroy())).toContain(`The log group ${logGroupName} is left`);
    expect(await cloud.parts.list()).toEqual([]);
  });

  test('as long as a machine lives that no state knows, what it may be using stays', async () => {
    const role = await roleOfLaunch();
    await makeRole(role);
    const uid = role.Tags.find(({ Key }) => Key === 'lablink:uid')?.Value ?? '';
    const orphan = await cloud.runOrphan({ 'lablink:uid': uid, 'lablink:hostname': 'lab-vm-test-9' });
    const output = await said(await lab.destroy());
    expect(output).toContain('it stays, since a machine that no state knows may be using it.');
    expect(output).toMatch(/of what machines shared, the role \S+ is left/);
    await cloud.terminate(orphan);
    await succeeds(await lab.destroy());
    expect(await cloud.parts.list()).toEqual([]);
  });
});
