// Machines go where they get a public address; where there is no such subnet, the launch says so and their private addresses are used.
import { CreateSubnetCommand, CreateVpcCommand, ModifySubnetAttributeCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAwsLab, type AwsLab } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

describe.skipIf(!motoIsThere())('subnets without public addresses', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(() => cloud[Symbol.asyncDispose]());

  /** A VPC whose first zone has only a private subnet; `a` to `c` are zones. */
  async function createVpc(subnets: readonly { readonly zone: string; readonly isPublic: boolean }[]) {
    const { Vpc } = await cloud.ec2.send(new CreateVpcCommand({ CidrBlock: '10.7.0.0/16' }));
    const vpcId = Vpc?.VpcId ?? '';
    const ids: string[] = [];
    for (const [index, { zone, isPublic }] of subnets.entries()) {
      const { Subnet } = await cloud.ec2.send(
        new CreateSubnetCommand({
          VpcId: vpcId,
          CidrBlock: `10.7.${index}.0/24`,
          AvailabilityZone: `${cloud.region}${zone}`,
        }),
      );
      const SubnetId = Subnet?.SubnetId ?? '';
      ids.push(SubnetId);
      if (isPublic)
        await cloud.ec2.send(
          new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch: { Value: true } }),
        );
    }
    return { vpcId, ids };
  }

  const addressOf = async (lab: AwsLab, hostname: string): Promise<string | null | undefined> =>
    (await lab.server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } })).data?.address;

  test('machines are launched into the public subnet although the first zone has a private one', async () => {
    const { vpcId, ids } = await createVpc([
      { zone: 'a', isPublic: false },
      { zone: 'b', isPublic: true },
    ]);
    await using lab = await startAwsLab(cloud, { machine: { vpc_id: vpcId } });
    const launch = await lab.launch(1);
    const output = (await lab.output(launch.id)).join('\n');
    expect(launch, output).toMatchObject({ status: 'succeeded' });
    expect(output).not.toContain('public address');
    const [machine] = await cloud.machines();
    expect(machine?.subnetId).toBe(ids[1]);
    expect(machine?.publicIp).toMatch(/^\d+\./);
    expect(await addressOf(lab, 'lab-vm-test-1')).toBe(machine?.publicIp);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
  });

  test('without a public subnet the launch warns, and the machines are known by their private addresses', async () => {
    const { vpcId } = await createVpc([{ zone: 'a', isPublic: false }]);
    await using lab = await startAwsLab(cloud, { machine: { vpc_id: vpcId } });
    const launch = await lab.launch(1);
    const output = (await lab.output(launch.id)).join('\n');
    expect(launch, output).toMatchObject({ status: 'succeeded' });
    expect(output).toContain(`warning - No subnet of ${vpcId} gives machines a public address`);
    const [machine] = await cloud.machines();
    expect(machine?.publicIp).toBe('');
    expect(await addressOf(lab, 'lab-vm-test-1')).toBe(machine?.privateIp);
    // Also where only AWS tells the address: at the next start.
    await lab.server.db.updateTable('vms').set({ address: null }).execute();
    await lab.server.restart();
    await expect.poll(() => addressOf(lab, 'lab-vm-test-1'), { timeout: 30_000 }).toBe(machine?.privateIp);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
  });
});
