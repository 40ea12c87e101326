import { expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import type { CloudMachine } from '../../src/provision/aws/cloud.ts';
import { launchMachines } from '../../src/provision/aws/launch.ts';
import type { AwsSettings } from '../../src/provision/aws/settings.ts';
import type { Work } from '../../src/provision/aws/work.ts';

const living: CloudMachine = {
  instanceId: 'i-1',
  hostname: 'lab-vm-test-1',
  launchId: 'launch-1',
  state: 'running',
  instanceType: 't3.micro',
  publicIp: null,
  privateIp: null,
  vpcId: 'vpc-old',
  launchedAt: null,
};
const settings = {
  ok: true,
  region: 'us-east-1',
  url: 'https://lab.example.org',
  types: ['t3.micro'],
  amiId: 'ami-1',
  image: 'ghcr.io/example/client:1',
  sshCidrs: ['203.0.113.7/32'],
  logGroup: '/lablink/lab/test',
  startupScript: null,
  config: { machine: { vpcId: 'vpc-new', subnetIds: [], agent: 'container', graceMinutes: 30 } },
} as unknown as AwsSettings;

/** Launches into `vpc-new`; the engine is never reached. */
async function launch(listMachines: () => Promise<readonly CloudMachine[]>) {
  const failed: string[] = [];
  const work = {
    site: {
      deployment: { name: 'lab', environment: 'test' },
      uid: 'u',
      sshPublicKey: 'k',
      forwarderToken: 'f',
    },
    cloud: {
      network: () => Promise.resolve({ vpcId: 'vpc-new', subnets: [{ subnetId: 'subnet-1', zone: 'a' }] }),
      image: () => Promise.resolve({ name: 'image', rootDiskGb: 8 }),
      describeTypes: () => Promise.resolve(new Map([['t3.micro', { vcpus: 2, nvidia: false, zones: [] }]])),
      listMachines,
    },
    asked: new AbortController().signal,
  } as unknown as Work;
  const spec = {
    operationId: 'launch-2',
    shutdownAt: null,
    vms: [{ hostname: 'lab-vm-test-2', token: 't' }],
  };
  const report = { event: () => undefined, created: noted, gone: noted, failed: noted };
  function noted(hostname: string): Promise<void> {
    failed.push(hostname);
    return Promise.resolve();
  }
  return { result: await launchMachines(work, settings, spec, report), failed };
}

test('a launch into another VPC than that of the living machines is refused, with what to do', async () => {
  const { result } = await launch(() => Promise.resolve([living]));
  expect(result).toEqual({
    ok: false,
    failure: {
      code: 'program',
      message:
        'The configuration leads to vpc-new, and machines of this deployment live in vpc-old (lab-vm-test-1): a fleet is in one VPC.',
      remedy:
        'Set machine.vpc_id and machine.subnet_ids back, and start the server again; or destroy all machines before the VPC is changed.',
    },
  });
});

test('where the cloud cannot say what lives, the launch is refused as it says', async () => {
  const away = new CloudError({ kind: 'credentials', problem: 'Expired.', remedy: 'Renew.' }, 'Code');
  const { result } = await launch(() => Promise.reject(away));
  expect(result).toMatchObject({ ok: false, failure: { code: 'credentials', message: 'Expired.' } });
});
