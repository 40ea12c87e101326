// A launch never changes an existing machine, whatever else has changed; a machine that was terminated without the
// allocator is noticed.
import { DescribeInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TAG } from '../../infra/tags.ts';
import { configText } from '../support/aws-config.ts';
import { startAwsLab, type AwsLab } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

describe.skipIf(!motoIsThere())('existing machines', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(() => cloud[Symbol.asyncDispose]());

  /** Everything that EC2 says about the machines, including their user data. */
  async function describeMachines(hostnames: readonly string[]): Promise<unknown[]> {
    const machines = (await cloud.machines()).filter(({ tags }) =>
      hostnames.includes(tags[TAG.hostname] ?? ''),
    );
    return Promise.all(
      machines.map(async (machine) => {
        const input = { InstanceId: machine.instanceId, Attribute: 'userData' as const };
        const { UserData } = await cloud.ec2.send(new DescribeInstanceAttributeCommand(input));
        return { ...machine, userData: UserData?.Value };
      }),
    );
  }

  test('existing machines do not change in a launch with another image, type, disk and address', async () => {
    await using lab = await startAwsLab(cloud);
    await lab.launch(2);
    const before = await describeMachines(['lab-vm-test-1', 'lab-vm-test-2']);
    expect(before).toHaveLength(2);
    await lab.server.restart({
      configFile: configText(cloud, {
        machine_type: 'g4dn.xlarge',
        image: 'ghcr.io/example/client:2',
        disk_gb: 120,
        software: 'other',
      }),
      env: { PUBLIC_URL: 'https://other.example.org' },
    });
    const grown = await lab.launch(1);
    expect(grown, (await lab.output(grown.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await describeMachines(['lab-vm-test-1', 'lab-vm-test-2'])).toEqual(before);
    expect(await describeMachines(['lab-vm-test-3'])).toMatchObject([{ instanceType: 'g4dn.xlarge' }]);
    // The boot script gets the GPU flag of the type.
    const boots = (await cloud.machines()).map(({ instanceId }) => cloud.bootOf(instanceId));
    const gpus = (await Promise.all(boots)).map((boot) => /LABLINK_NVIDIA='?(\w+)/.exec(boot)?.[1]);
    expect(gpus).toEqual(['false', 'false', 'true']);
    expect(cloud.calls().filter(({ what, type }) => what === 'update' && type.includes('Instance'))).toEqual(
      [],
    );
    await lab.agree();
    await terminateAndLaunch(lab);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
  });

  /** A machine that was terminated without the allocator leaves the state at the next launch, and is not created again. */
  async function terminateAndLaunch(lab: AwsLab): Promise<void> {
    const [first] = await cloud.machines();
    await cloud.terminate(first?.instanceId ?? '');
    const next = await lab.launch(1);
    expect(next, (await lab.output(next.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.inState());
    expect((await lab.machines()).length).toBe(3);
  }
});
