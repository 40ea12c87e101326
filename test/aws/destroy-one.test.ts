// Destroying one machine depends on that machine alone: not on what a launch needs, and it changes nothing else.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configText } from '../support/aws-config.ts';
import { startAwsLab } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

describe.skipIf(!motoIsThere())('destroying one machine on AWS', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(() => cloud[Symbol.asyncDispose]());

  test('one machine is destroyed although AMI, type, VPC and address of the configuration are gone', async () => {
    await using lab = await startAwsLab(cloud);
    await lab.launch(2);
    await lab.server.restart({
      configFile: configText(cloud, {
        ami_id: 'ami-0123456789abcdef0',
        machine_type: 'q9.enormous',
        vpc_id: 'vpc-0123456789abcdef0',
        ssh_cidrs: ['198.51.100.0/24'],
      }),
      env: { PUBLIC_URL: '' },
    });
    const { data, response } = await lab.server.admin.POST('/api/v1/vms/{hostname}/destroy', {
      params: { path: { hostname: 'lab-vm-test-1' } },
    });
    expect(response.status).toBe(202);
    if (!data) throw new Error('no operation');
    const ended = await lab.ended(data.id);
    expect(ended, (await lab.output(data.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual(['lab-vm-test-2']);
    const changed = cloud.calls().filter(({ what }) => what === 'update' || what === 'delete');
    expect(changed.map(({ what, type }) => `${what} ${type}`)).toEqual(['delete aws:ec2/instance:Instance']);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
  });
});
