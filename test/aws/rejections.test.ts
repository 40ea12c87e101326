// What the cloud refuses, in the middle of a launch and of a destroy: what was made stays, what is wrong is said in a
// sentence, cloud and state and rows tell of the same machines, and the next launch and destroy work.
import { DescribeSubnetsCommand } from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AwsLab, Operation } from '../support/aws-lab.ts';
import { cloudIsThere, type TestCloud } from '../support/cloud.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-lab.ts';

describe.skipIf(!cloudIsThere())('a launch that is refused', { timeout: 300_000 }, () => {
  const table = createFaultTable('refusals');
  const shared = createSharedLab({ machine: { machine_types: ['t3.micro', 'g4dn.xlarge'] } });
  let cloud: TestCloud;
  let lab: AwsLab;

  beforeEach(async () => {
    ({ cloud, lab } = await shared.take());
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await shared[Symbol.asyncDispose]();
  });
  afterEach(async () => expect(await cloud.machines()).toEqual([]));

  /** The three agree on so many, and everything goes on. */
  async function isWhole(fault: string, operation: Operation, asked: number, there: number): Promise<void> {
    expect(await lab.agree(), (await lab.output(operation.id)).join('\n')).toHaveLength(there);
    cloud.faults.reset();
    const next = await lab.launch(1);
    expect(next, (await lab.output(next.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toHaveLength(there + 1);
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
    expect(await cloud.parts.list()).toEqual([]);
    const outcome = [operation.status, operation.problem?.kind].filter(Boolean).join(', ');
    table.add({ fault, outcome, asked, machines: there, then: `${there + 1}, 0` });
  }

  test('the third of five for the quota: the other four are made, the one is named', async () => {
    cloud.faults.refuseNth(3, 'VcpuLimitExceeded');
    const operation = await lab.launch(5);
    expect(operation).toMatchObject({
      status: 'failed',
      progress: { done: 4, failed: 1, total: 5 },
      problem: { kind: 'quota' },
    });
    expect(operation.problem?.problem).toContain('4 of 5 machines were made, and stay.');
    await isWhole('the 3rd of 5 machines refused (quota)', operation, 5, 4);
  });

  test('all of them for the quota: nothing is tried for ever', async () => {
    cloud.faults.refuseWhere({ instanceType: 't3.micro' }, 'VcpuLimitExceeded');
    const operation = await lab.launch(3);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'quota' } });
    await isWhole('every machine refused (quota)', operation, 3, 0);
  });

  test('no capacity in the first zone: the next one is taken', async () => {
    const first = await firstSubnet();
    cloud.faults.refuseWhere({ subnetId: first }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(3);
    expect(operation, (await lab.output(operation.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(new Set((await cloud.machines()).map(({ subnetId }) => subnetId))).not.toContain(first);
    await isWhole('no capacity in the first zone', operation, 3, 3);
  });

  test('no capacity for the first type: the next of machine_types is taken, GPU and all', async () => {
    cloud.faults.refuseWhere({ instanceType: 't3.micro' }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(2);
    expect(operation, (await lab.output(operation.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    const made = await cloud.machines();
    expect(made.map(({ instanceType }) => instanceType)).toEqual(['g4dn.xlarge', 'g4dn.xlarge']);
    // The first type has no GPU, the next one has: each machine boots as what it is.
    for (const { instanceId } of made)
      expect(await cloud.bootOf(instanceId)).toMatch(/LABLINK_NVIDIA='?true/);
    await isWhole('no capacity for the first type', operation, 2, 2);
  });

  test('no capacity anywhere: said so, and nothing is there', async () => {
    for (const instanceType of ['t3.micro', 'g4dn.xlarge'])
      cloud.faults.refuseWhere({ instanceType }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(2);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'capacity' } });
    await isWhole('no capacity anywhere', operation, 2, 0);
  });

  test('credentials that expire in the middle: what was made stays', async () => {
    for (const nth of [3, 4, 5]) cloud.faults.refuseNth(nth, 'ExpiredToken');
    const operation = await lab.launch(5);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'credentials' } });
    const { done } = operation.progress;
    await isWhole('credentials expired in the middle', operation, 5, done);
  });

  test('a machine that cannot be ended: it stays, in all three, and a second destroy ends it', async () => {
    await lab.launch(3);
    cloud.faults.refuseWhere({ name: 'lab-vm-test-2' }, 'RequestExpired', { when: 'delete' });
    const destroyed = await lab.destroy();
    expect(destroyed.status).toBe('failed');
    expect(await lab.agree()).toContain('lab-vm-test-2');
    await isWhole('a machine refuses to end', destroyed, 3, (await lab.agree()).length);
  });

  /** Of the first zone, which is the one that is tried first. */
  async function firstSubnet(): Promise<string> {
    const { Subnets = [] } = await cloud.ec2.send(new DescribeSubnetsCommand({}));
    const byZone = Subnets.map(({ AvailabilityZone: zone = '', SubnetId: id = '' }) => ({ zone, id }));
    return byZone.sort((one, other) => one.zone.localeCompare(other.zone))[0]?.id ?? '';
  }
});
