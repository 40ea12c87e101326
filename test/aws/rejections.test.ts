// AWS rejects machines in the middle of a launch or a destroy: created machines are kept, the reason is reported, AWS, state
// and rows list the same machines, and the next launch and destroy work.
import { DescribeSubnetsCommand } from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AwsLab, Operation } from '../support/aws-lab.ts';
import type { TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { createSharedLab } from '../support/shared-aws-lab.ts';

describe.skipIf(!motoIsThere())('a rejected machine', { timeout: 300_000 }, () => {
  const table = createFaultTable('rejections');
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

  /** AWS, state and rows agree, and a destroy leaves nothing. The launch of the next test shows that launches work again. */
  async function expectConsistent(
    fault: string,
    operation: Operation,
    asked: number,
    machines: number,
  ): Promise<void> {
    expect(await lab.agree(), (await lab.output(operation.id)).join('\n')).toHaveLength(machines);
    cloud.faults.reset();
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
    const outcome = [operation.status, operation.problem?.kind].filter(Boolean).join(', ');
    table.add({ fault, outcome, asked, machines });
  }

  test('a launch creates the other four machines if the third of five exceeds the quota', async () => {
    cloud.faults.rejectNth(3, 'VcpuLimitExceeded');
    const operation = await lab.launch(5);
    expect(operation).toMatchObject({
      status: 'failed',
      progress: { done: 4, failed: 1, total: 5 },
      problem: { kind: 'quota' },
    });
    expect(operation.problem?.problem).toContain('4 of 5 machines were created and are kept.');
    await expectConsistent('the 3rd of 5 machines rejected (quota)', operation, 5, 4);
  });

  test('a launch ends if every machine exceeds the quota', async () => {
    cloud.faults.rejectWhere({ instanceType: 't3.micro' }, 'VcpuLimitExceeded');
    const operation = await lab.launch(3);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'quota' } });
    await expectConsistent('every machine rejected (quota)', operation, 3, 0);
  });

  test('a launch uses the next zone if the first has no capacity', async () => {
    const first = await firstSubnet();
    cloud.faults.rejectWhere({ subnetId: first }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(3);
    expect(operation, (await lab.output(operation.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(new Set((await cloud.machines()).map(({ subnetId }) => subnetId))).not.toContain(first);
    await expectConsistent('no capacity in the first zone', operation, 3, 3);
  });

  test('a launch uses the next of machine_types, with its GPU, if the first has no capacity', async () => {
    cloud.faults.rejectWhere({ instanceType: 't3.micro' }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(2);
    expect(operation, (await lab.output(operation.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    const created = await cloud.machines();
    expect(created.map(({ instanceType }) => instanceType)).toEqual(['g4dn.xlarge', 'g4dn.xlarge']);
    // The first type has no GPU, the second has one: the boot script gets the right flag.
    for (const { instanceId } of created)
      expect(await cloud.bootOf(instanceId)).toMatch(/LABLINK_NVIDIA='?true/);
    await expectConsistent('no capacity for the first type', operation, 2, 2);
  });

  test('a launch fails without machines if no placement has capacity', async () => {
    for (const instanceType of ['t3.micro', 'g4dn.xlarge'])
      cloud.faults.rejectWhere({ instanceType }, 'InsufficientInstanceCapacity');
    const operation = await lab.launch(2);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'capacity' } });
    await expectConsistent('no capacity anywhere', operation, 2, 0);
  });

  test('a launch keeps its created machines if the credentials expire', async () => {
    for (const nth of [3, 4, 5]) cloud.faults.rejectNth(nth, 'ExpiredToken');
    const operation = await lab.launch(5);
    expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'credentials' } });
    const { done } = operation.progress;
    await expectConsistent('credentials expire during the launch', operation, 5, done);
  });

  test('a machine that AWS does not terminate is kept, and a second destroy terminates it', async () => {
    await lab.launch(3);
    cloud.faults.rejectWhere({ name: 'lab-vm-test-2' }, 'RequestExpired', { when: 'delete' });
    const destroyed = await lab.destroy();
    expect(destroyed).toMatchObject({ status: 'failed', progress: { done: 2, failed: 1, total: 3 } });
    expect(destroyed.problem?.problem).toContain('AWS did not terminate lab-vm-test-2.');
    expect(await lab.agree()).toContain('lab-vm-test-2');
    await expectConsistent('AWS does not terminate a machine', destroyed, 3, (await lab.agree()).length);
  });

  /** The subnet of the first zone, which is tried first. */
  async function firstSubnet(): Promise<string> {
    const { Subnets = [] } = await cloud.ec2.send(new DescribeSubnetsCommand({}));
    const byZone = Subnets.map(({ AvailabilityZone: zone = '', SubnetId: id = '' }) => ({ zone, id }));
    return byZone.sort((one, other) => one.zone.localeCompare(other.zone))[0]?.id ?? '';
  }
});
