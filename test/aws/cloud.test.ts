// The cloud's own API, against an emulator of it that an independent client fills and reads.
import {
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { TAG } from '../../infra/tags.ts';
import { createCloud, type Cloud } from '../../src/provision/aws/cloud.ts';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import { motoIsThere, MOTO_REGION, startMoto, type Moto } from '../support/moto.ts';

const UID = 'uid-of-this-one';

describe.skipIf(!motoIsThere())('AWS', () => {
  let emulator: Moto;
  let ec2: EC2Client;
  let cloud: Cloud;
  let amiId = '';

  beforeAll(async () => {
    emulator = await startMoto();
    for (const [name, value] of Object.entries(emulator.env)) vi.stubEnv(name, value);
    ec2 = new EC2Client({ region: MOTO_REGION });
    cloud = createCloud({
      region: MOTO_REGION,
      uid: UID,
      terminatePollMs: 10,
      terminateTimeoutMs: 20_000,
    });
    amiId = await anAmi();
  }, 100_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    ec2.destroy();
    await emulator[Symbol.asyncDispose]();
  });

  async function anAmi(): Promise<string> {
    const { DescribeImagesCommand } = await import('@aws-sdk/client-ec2');
    const { Images = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }));
    return Images[0]?.ImageId ?? '';
  }

  async function run(hostname: string, { uid = UID, launch = 'launch-1' } = {}): Promise<string> {
    const tags = { [TAG.uid]: uid, [TAG.hostname]: hostname, [TAG.launch]: launch };
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: amiId,
        InstanceType: 't3.micro',
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [
          { ResourceType: 'instance', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) },
        ],
      }),
    );
    return Instances[0]?.InstanceId ?? '';
  }

  async function stateOf(id: string): Promise<string | undefined> {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return Reservations[0]?.Instances?.[0]?.State?.Name;
  }

  afterEach(async () => {
    const there = await cloud.listMachines();
    await cloud.terminate(there.map(({ instanceId }) => instanceId));
  });

  test('a listing contains the machines with our uid, with their names, launches and addresses, and no others', async () => {
    const first = await run('lablink-vm-test-1');
    await run('lablink-vm-test-1', { uid: 'another one' });
    const second = await run('lablink-vm-test-2', { launch: 'launch-2' });
    await ec2.send(new StopInstancesCommand({ InstanceIds: [second] }));
    const machines = (await cloud.listMachines()).toSorted((one, other) =>
      (one.hostname ?? '').localeCompare(other.hostname ?? ''),
    );
    expect(
      machines.map(({ instanceId, hostname, launchId }) => ({ instanceId, hostname, launchId })),
    ).toEqual([
      { instanceId: first, hostname: 'lablink-vm-test-1', launchId: 'launch-1' },
      { instanceId: second, hostname: 'lablink-vm-test-2', launchId: 'launch-2' },
    ]);
    expect(machines.map(({ state }) => state)).toEqual(['running', 'stopped']);
    expect(machines[0]?.address).toMatch(/^\d+\./);
    expect(machines[0]?.launchedAt).toBeInstanceOf(Date);
  });

  test('a termination ignores instances that are gone or do not have our uid', async () => {
    const ours = await run('lablink-vm-test-1');
    const theirs = await run('lablink-vm-test-9', { uid: 'another one' });
    await cloud.terminate([ours, theirs, 'i-00000000000000000']);
    expect(await stateOf(ours)).toBe('terminated');
    expect(await stateOf(theirs)).toBe('running');
    await cloud.terminate([ours]);
    expect(await cloud.listMachines()).toEqual([]);
  });

  test('machines that EC2 lists as ended are found among others', async () => {
    const [ended, living] = [await run('lablink-vm-test-1'), await run('lablink-vm-test-2')];
    await cloud.terminate([ended]);
    expect(await cloud.findEnded([ended, living, 'i-00000000000000000'])).toEqual(new Set([ended]));
    expect(await cloud.findEnded([])).toEqual(new Set());
  });

  test('a machine is restarted, and a missing machine is an error', async () => {
    const id = await run('lablink-vm-test-1');
    await cloud.reboot(id);
    await expect(cloud.reboot('i-00000000000000000')).rejects.toThrow(/InvalidInstanceID/);
  });

  test('instance types have vCPUs, a GPU flag and zones, and unknown types are left out', async () => {
    const types = await cloud.describeTypes(['g4dn.xlarge', 't3.micro', 'q9.enormous']);
    expect(types.get('g4dn.xlarge')).toMatchObject({ vcpus: 4, nvidia: true });
    expect(types.get('t3.micro')).toMatchObject({ vcpus: 2, nvidia: false });
    expect(types.has('q9.enormous')).toBe(false);
    expect(types.get('t3.micro')?.zones).toContain('us-west-2a');
  });

  test('the network is the default VPC with its subnets, or the named subnets', async () => {
    const found = await cloud.network({});
    expect(found.subnets.map(({ zone }) => zone)).toEqual(found.subnets.map(({ zone }) => zone).toSorted());
    expect(found.subnets.length).toBeGreaterThan(1);
    const last = found.subnets.at(-1)?.subnetId ?? '';
    expect(await cloud.network({ subnetIds: [last] })).toEqual({
      vpcId: found.vpcId,
      subnets: [found.subnets.at(-1)],
    });
    await expect(cloud.network({ subnetIds: ['subnet-00000000'] })).rejects.toThrow('There is no subnet');
    await expect(cloud.network({ vpcId: 'vpc-00000000' })).rejects.toThrow('has no subnets');
  });

  test('an AMI is found, and a missing AMI is null', async () => {
    expect((await cloud.image(amiId))?.rootDiskGb).toBeGreaterThan(0);
    expect(await cloud.image('ami-00000000')).toBeNull();
  });

  test('a quota that cannot be read is null, not 0', async () => {
    expect(await cloud.onDemandQuota('G')).toBeNull();
  });

  test('the caller is the account of the credentials', async () => {
    expect(await cloud.caller()).toMatchObject({ account: '123456789012' });
  });

  test('an aborted request fails as cancelled', async () => {
    const asked = cloud.listMachines(AbortSignal.abort());
    await expect(asked).rejects.toMatchObject({ failure: { code: 'cancelled' } });
  });
});

describe('an answer of AWS', () => {
  async function refusing(status: number, code: string, serve?: (url: string) => string | null) {
    const server = createServer((request, response) => {
      const body = serve?.(request.headers['x-amz-target']?.toString() ?? '') ?? null;
      if (body !== null) return void response.end(body);
      response.statusCode = status;
      response.end(
        `<Response><Errors><Error><Code>${code}</Code><Message>No.</Message></Error></Errors></Response>`,
      );
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${port}`);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
    return {
      cloud: createCloud({ region: MOTO_REGION, uid: UID }),
      [Symbol.asyncDispose]: () =>
        new Promise<void>((closed) => {
          server.closeAllConnections();
          server.close(() => closed());
        }),
    };
  }
  afterEach(() => void vi.unstubAllEnvs());

  test.each([
    ['ExpiredToken', 'credentials', 'have expired'],
    ['AuthFailure', 'credentials', 'rejected the credentials'],
    ['UnauthorizedOperation', 'credentials', 'do not allow this'],
    ['VcpuLimitExceeded', 'quota', 'quota'],
    ['InsufficientInstanceCapacity', 'capacity', 'available in this zone'],
    ['SomethingNew', 'engine', 'SomethingNew'],
  ])('the AWS error %s becomes the failure %s', async (awsCode, code, words) => {
    await using aws = await refusing(400, awsCode);
    const error: unknown = await aws.cloud.listMachines().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({ failure: { code }, awsCode });
    expect((error as CloudError).message).toContain(words);
    expect((error as CloudError).failure.remedy).toMatch(/\.$/);
  });

  test('an unreachable endpoint is a time-out with the code of the network error', async () => {
    const aws = await refusing(400, '');
    await aws[Symbol.asyncDispose]();
    await expect(aws.cloud.caller()).rejects.toMatchObject({
      failure: { code: 'timeout' },
      awsCode: 'ECONNREFUSED',
    });
  });

  test('no request names more than 200 machines in one filter', async () => {
    const named: number[] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const values = [...new URLSearchParams(body).values()].filter((value) => value.startsWith('i-'));
        named.push(values.length);
        response.end('<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>');
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'testing');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'testing');
    const cloud = createCloud({ region: MOTO_REGION, uid: UID });
    const ids = Array.from({ length: 450 }, (_, at) => `i-${at}`);
    await cloud.terminate(ids);
    expect(named).toEqual([200, 200, 50]);
    await cloud.findEnded(ids);
    expect(named.slice(3)).toEqual([200, 200, 50]);
    server.closeAllConnections();
    server.close();
  });

  test('a GPU of another manufacturer is not an NVIDIA GPU', async () => {
    await using aws = await refusing(400, 'Unsaid', () => AMD);
    expect((await aws.cloud.describeTypes(['g4ad.xlarge'])).get('g4ad.xlarge')).toEqual({
      vcpus: 4,
      nvidia: false,
      zones: [],
    });
  });

  test('a quota has its limit and the vCPUs that the account uses of that family', async () => {
    await using aws = await refusing(400, 'Unsaid', (target) =>
      target.endsWith('GetServiceQuota') ? JSON.stringify({ Quota: { Value: 96 } }) : RUNNING,
    );
    expect(await aws.cloud.onDemandQuota('G')).toEqual({ limitVcpus: 96, usedVcpus: 12 });
  });
});

const AMD = `<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>g4ad.xlarge</instanceType>
  <vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo>
  <gpuInfo><gpus><item><name>Radeon Pro V520</name><manufacturer>AMD</manufacturer></item></gpus></gpuInfo>
</item></instanceTypeSet></DescribeInstanceTypesResponse>`;
const instance = (type: string, cores: number, extra = ''): string =>
  `<item><instancesSet><item><instanceId>i-1</instanceId><instanceType>${type}</instanceType>
   <instanceState><code>16</code><name>running</name></instanceState>
   <cpuOptions><coreCount>${cores}</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>${extra}</item></instancesSet></item>`;
/** Two of G, one of G on spot (another quota), one of another family. */
const RUNNING = `<DescribeInstancesResponse><reservationSet>
  ${instance('g4dn.xlarge', 2)}${instance('g5.2xlarge', 4)}
  ${instance('g5.xlarge', 2, '<instanceLifecycle>spot</instanceLifecycle>')}${instance('m5.large', 1)}
</reservationSet></DescribeInstancesResponse>`;
