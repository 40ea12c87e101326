import { expect, test } from 'vitest';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import type { CloudMachine } from '../../src/provision/aws/cloud.ts';
import { launchMachines } from '../../src/provision/aws/launch.ts';
import type { AwsSettings } from '../../src/provision/aws/settings.ts';
import type { EngineRun } from '../../src/provision/aws/engine-run.ts';

const existing: CloudMachine = {
  instanceId: 'i-1',
  hostname: 'lab-vm-test-1',
  launchId: 'launch-1',
  state: 'running',
  instanceType: 't3.micro',
  address: null,
  vpcId: 'vpc-old',
  launchedAt: null,
};
const settings = {
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

/** Launches into `vpc-new`; Pulumi is never started. */
async function launch(listMachines: () => Promise<readonly CloudMachine[]>) {
  const failed: string[] = [];
  const run = {
    context: {
      backend: { check: null, passphrase: null },
      folders: { pulumiHome: '/dev/null/none' },
      deployment: { name: 'lab', environment: 'test' },
      uid: 'u',
      sshPublicKey: 'k',
      forwarderToken: 'f',
    },
    cloud: {
      network: () =>
        Promise.resolve({ vpcId: 'vpc-new', subnets: [{ subnetId: 'subnet-1', zone: 'a', isPublic: true }] }),
      image: () => Promise.resolve({ name: 'image', rootDiskGb: 8 }),
      describeTypes: () => Promise.resolve(new Map([['t3.micro', { vcpus: 2, nvidia: false, zones: [] }]])),
      listMachines,
    },
    cancelSignal: new AbortController().signal,
  } as unknown as EngineRun;
  const spec = {
    operationId: 'launch-2',
    shutdownAt: null,
    vms: [{ hostname: 'lab-vm-test-2', token: 't' }],
  };
  const report = { event: () => undefined, created: noted, gone: noted, failed: noted, kept: noted };
  function noted(hostname: string): Promise<void> {
    failed.push(hostname);
    return Promise.resolve();
  }
  return { result: await launchMachines(run, settings, spec, report), failed };
}

test('a launch into another VPC than that of the existing machines is rejected', async () => {
  const { result } = await launch(() => Promise.resolve([existing]));
  expect(result).toEqual({
    ok: false,
    failure: {
      code: 'program',
      message:
        'The configuration names the VPC vpc-new, but machines of this deployment run in vpc-old (lab-vm-test-1). All machines must be in one VPC.',
      remedy:
        'Restore machine.vpc_id and machine.subnet_ids and restart the server, or destroy all machines before you change the VPC.',
    },
  });
});

test('a launch is rejected if the existing machines cannot be listed', async () => {
  const away = new CloudError({ code: 'credentials', message: 'Expired.', remedy: 'Renew.' }, 'Code');
  const { result } = await launch(() => Promise.reject(away));
  expect(result).toMatchObject({ ok: false, failure: { code: 'credentials', message: 'Expired.' } });
});
