// A launch never changes a machine that exists, whatever has changed since; one machine can be ended alone; and what has
// ended by itself, or was made behind our back, is found.
import { DescribeInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TAG } from '../../infra/tags.ts';
import { configText } from '../support/aws-config.ts';
import { startAwsLab, type AwsLab } from '../support/aws-lab.ts';
import { cloudIsThere, startCloud, type TestCloud } from '../support/cloud.ts';

describe.skipIf(!cloudIsThere())('machines that live', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(() => cloud[Symbol.asyncDispose]());

  /** All that EC2 tells of the machines, their user data included. */
  async function portrait(hostnames: readonly string[]): Promise<unknown[]> {
    const machines = (await cloud.machines()).filter(({ tags }) =>
      hostnames.includes(tags[TAG.hostname] ?? ''),
    );
    return Promise.all(
      machines.map(async (machine) => {
        const asked = { InstanceId: machine.instanceId, Attribute: 'userData' as const };
        const { UserData } = await cloud.ec2.send(new DescribeInstanceAttributeCommand(asked));
        return { ...machine, userData: UserData?.Value };
      }),
    );
  }

  test('are the same after a launch with another image, type, script, disk and address', async () => {
    await using lab = await startAwsLab(cloud);
    await lab.launch(2);
    const before = await portrait(['lab-vm-test-1', 'lab-vm-test-2']);
    expect(before).toHaveLength(2);
    await lab.server.restart({
      configFile: await configText(cloud, {
        machine_type: 'g4dn.xlarge',
        image: 'ghcr.io/example/client:2',
        disk_gb: 120,
        software: 'other',
      }),
      env: { PUBLIC_URL: 'https://other.example.org' },
    });
    const grown = await lab.launch(1);
    expect(grown, (await lab.output(grown.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await portrait(['lab-vm-test-1', 'lab-vm-test-2'])).toEqual(before);
    expect(await portrait(['lab-vm-test-3'])).toMatchObject([{ instanceType: 'g4dn.xlarge' }]);
    // What EC2 says of the type's GPU reaches the boot of its machines.
    const boots = (await cloud.machines()).map(({ instanceId }) => cloud.bootOf(instanceId));
    const gpus = (await Promise.all(boots)).map((boot) => /LABLINK_NVIDIA='?(\w+)/.exec(boot)?.[1]);
    expect(gpus).toEqual(['false', 'false', 'true']);
    expect(cloud.diary().filter(({ what, type }) => what === 'update' && type.includes('Instance'))).toEqual(
      [],
    );
    await lab.agree();
    await orphansAndGhosts(lab);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
  });

  /** One ends by itself: it is not made again, and the next launch knows. One alone is ended by name. */
  async function orphansAndGhosts(lab: AwsLab): Promise<void> {
    const [first] = await cloud.machines();
    await cloud.terminate(first?.instanceId ?? '');
    const next = await lab.launch(1);
    expect(next, (await lab.output(next.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.machines()).toEqual(await lab.inState());
    expect((await lab.machines()).length).toBe(3);
  }
});
