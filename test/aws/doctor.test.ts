// The doctor: without any set-up, with an emulator of AWS, and with scripted answers of AWS.
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeImagesCommand, EC2Client } from '@aws-sdk/client-ec2';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createCloud, type Cloud } from '../../src/provision/aws/cloud.ts';
import { CloudError } from '../../src/provision/aws/cloud-error.ts';
import { examine, type DoctorInput } from '../../src/provision/aws/doctor/examine.ts';
import { planFor } from '../../src/provision/aws/doctor/plan.ts';
import { asText, isHealthy, type Diagnosis } from '../../src/provision/aws/doctor/report.ts';
import { checkState } from '../../src/provision/aws/doctor/state.ts';
import { fail, succeed } from '../../src/result.ts';
import { motoIsThere, MOTO_REGION, startMoto, type Moto } from '../support/moto.ts';
import { startProgram } from '../support/program.ts';

const signal = new AbortController().signal;

const good: Cloud = {
  listMachines: () => Promise.resolve([]),
  findEnded: () => Promise.resolve(new Set()),
  listForeign: () => Promise.resolve([]),
  adopt: () => Promise.resolve(),
  terminate: () => Promise.resolve(),
  reboot: () => Promise.resolve(),
  describeTypes: () =>
    Promise.resolve(new Map([['g4dn.xlarge', { vcpus: 4, nvidia: true, zones: ['us-west-2a'] }]])),
  network: () => Promise.resolve({ vpcId: 'vpc-1', subnets: [] }),
  image: () => Promise.resolve({ name: 'the image', rootDiskGb: 80 }),
  onDemandQuota: () => Promise.resolve({ limitVcpus: 96, usedVcpus: 16 }),
  caller: () => Promise.resolve({ account: '1', arn: 'arn:aws:iam::1:user/ada' }),
};
const input: DoctorInput = {
  vms: null,
  machineType: 'g4dn.xlarge',
  region: MOTO_REGION,
  amiId: 'ami-1',
  publicUrl: 'https://lab.example.org',
  allowPlainHttp: false,
  trustsProxy: true,
  findTools: () => Promise.resolve(succeed({ cliRoot: '/opt/pulumi' })),
  cloud: () => good,
  checkState: () => Promise.resolve({ location: '/data/aws/state', result: succeed(undefined) }),
  signal,
};
const statuses = ({ findings }: Diagnosis) =>
  Object.fromEntries(findings.map(({ name, status }) => [name, status]));

describe('the doctor', () => {
  test('the doctor finds no problem if everything is right', async () => {
    const diagnosis = await examine({ ...input, vms: 20 });
    expect(new Set(Object.values(statuses(diagnosis)))).toEqual(new Set(['ok']));
    expect(isHealthy(diagnosis)).toBe(true);
    expect(diagnosis.plan?.lines).toContain(
      'The account has a limit of 96 vCPUs, of which 16 are in use. That is enough.',
    );
    expect(asText(diagnosis)).toContain('Found no problem');
  });

  test('the doctor warns where https needs a proxy and none is trusted', async () => {
    const diagnosis = await examine({ ...input, trustsProxy: false });
    expect(statuses(diagnosis)).toMatchObject({ proxy: 'unknown' });
    expect(asText(diagnosis)).toContain('Set TRUST_PROXY to the number of proxies.');
    expect(isHealthy(diagnosis)).toBe(true);
  });

  test('the doctor adds the vCPUs in use to the limit to request', async () => {
    const diagnosis = await examine({ ...input, vms: 40 });
    expect(statuses(diagnosis)).toMatchObject({ quota: 'problem' });
    expect(diagnosis.plan).toMatchObject({ vcpusNeeded: 160, limitNeeded: 176, quotaCode: 'L-DB2E81BA' });
    expect(asText(diagnosis)).toContain('--desired-value 176 --region us-west-2');
  });

  test('a quota that cannot be read is unknown, not a problem', async () => {
    const cloud = { ...good, onDemandQuota: () => Promise.resolve(null) };
    const diagnosis = await examine({ ...input, vms: 40, cloud: () => cloud });
    expect(statuses(diagnosis)).toMatchObject({ quota: 'unknown' });
    expect(isHealthy(diagnosis)).toBe(true);
  });

  test('without credentials, the checks that need them are unknown and the others are made', async () => {
    const expired = new CloudError(
      { code: 'credentials', message: 'The AWS credentials have expired.', remedy: 'Sign in again.' },
      'ExpiredToken',
    );
    const cloud = { ...good, caller: () => Promise.reject(expired) };
    const diagnosis = await examine({ ...input, vms: 40, cloud: () => cloud });
    expect(statuses(diagnosis)).toEqual({
      program: 'ok',
      plugin: 'ok',
      region: 'ok',
      credentials: 'problem',
      'machine type': 'unknown',
      AMI: 'unknown',
      quota: 'unknown',
      'public address': 'ok',
      state: 'ok',
    });
    expect(diagnosis.plan?.vcpusNeeded).toBe(160);
  });

  test.each<[string, string, Partial<DoctorInput>]>([
    ['a region that is not set', 'region', { region: null }],
    ['a type that is not set', 'machine type', { machineType: null }],
    ['a type that EC2 does not have', 'machine type', { machineType: 'g9.huge' }],
    ['an AMI that is not set', 'AMI', { amiId: null }],
    ['an AMI that is not there', 'AMI', { cloud: () => ({ ...good, image: () => Promise.resolve(null) }) }],
    ['an address that is not set', 'public address', { publicUrl: null }],
    ['an address of its own', 'public address', { publicUrl: 'http://localhost:5000' }],
    [
      'a program that is missing',
      'program',
      {
        findTools: () =>
          Promise.resolve(
            fail({
              missing: 'cli',
              code: 'program',
              message: 'The CLI is missing.',
              remedy: 'Run the set-up.',
            }),
          ),
      },
    ],
    [
      'a plugin that is missing',
      'plugin',
      {
        findTools: () =>
          Promise.resolve(
            fail({
              missing: 'plugin',
              code: 'program',
              message: 'It is missing.',
              remedy: 'Run the set-up.',
            }),
          ),
      },
    ],
    [
      'a state that cannot be written',
      'state',
      {
        checkState: () =>
          Promise.resolve({
            location: '/x',
            result: fail({ code: 'state_unusable', message: 'it is full.', remedy: 'Free some space.' }),
          }),
      },
    ],
  ])('the doctor reports %s, with a remedy', async (_what, name, changes) => {
    const diagnosis = await examine({ ...input, ...changes });
    const found = diagnosis.findings.find((finding) => finding.name === name);
    expect(found).toMatchObject({ status: 'problem', remedy: expect.stringMatching(/\.$/) as unknown });
    expect(isHealthy(diagnosis)).toBe(false);
  });
});

describe('the plan of the doctor', () => {
  const plain = { region: null, vcpus: null, use: null };
  test('the plan knows common types without asking AWS', () => {
    expect(planFor({ vms: 20, machineType: 'g5.2xlarge', ...plain })).toMatchObject({ vcpusNeeded: 160 });
    expect(planFor({ vms: 3, machineType: 't3.large', ...plain })).toMatchObject({
      vcpusNeeded: 6,
      quotaCode: 'L-1216C47A',
    });
  });

  test('the plan says that a type is unknown', () => {
    const plan = planFor({ vms: 3, machineType: 'q9.enormous', ...plain });
    expect(plan).toMatchObject({ vcpusNeeded: null, quotaCode: null, usdPerHour: null });
    expect(plan.lines.join(' ')).toContain('is not known');
  });
});

describe('lablink doctor without any set-up', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lablink-doctor-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const env = () => ({ HOME: folder, DATA_DIR: join(folder, 'data'), AWS_EC2_METADATA_DISABLED: 'true' });

  test('lablink doctor --vms 40 shows the quota and how to request it, and creates nothing', async () => {
    await using program = startProgram(['doctor', '--vms', '40', '--region', 'us-west-2'], env());
    expect(await program.ended).toBe(1);
    const output = program.output();
    expect(output).toContain('40 machines of the type g4dn.xlarge need 160 vCPUs (4 each).');
    expect(output).toContain('“Running On-Demand G and VT instances” (L-DB2E81BA), in us-west-2');
    expect(output).toContain(
      'https://us-west-2.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-DB2E81BA',
    );
    expect(output).toContain('No AWS credentials were found.');
    await expect(rm(join(folder, 'data'))).rejects.toMatchObject({ code: 'ENOENT' });
  }, 60_000);

  test('lablink doctor --json prints the checks and the plan as JSON', async () => {
    await using program = startProgram(['doctor', '--vms', '40', '--json'], env());
    await program.ended;
    const schema = z.object({
      ok: z.boolean(),
      checks: z.array(z.unknown()),
      plan: z.object({ vcpusNeeded: z.number() }),
    });
    expect(schema.parse(JSON.parse(program.output()))).toMatchObject({
      ok: false,
      plan: { vcpusNeeded: 160 },
    });
  }, 60_000);

  test.each([
    ['--vms', '0'],
    ['--vms', 'many'],
    ['--wms', '4'],
    ['--region', 'mars'],
  ])(
    'lablink doctor rejects the arguments %s %s',
    async (...args) => {
      await using program = startProgram(['doctor', ...args], env());
      expect(await program.ended).toBe(2);
      expect(program.output()).toContain('lablink doctor');
    },
    60_000,
  );
});

describe.skipIf(!motoIsThere())('the doctor on an emulator of AWS', () => {
  let emulator: Moto;
  beforeAll(async () => {
    emulator = await startMoto();
    for (const [name, value] of Object.entries(emulator.env)) vi.stubEnv(name, value);
  }, 100_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await emulator[Symbol.asyncDispose]();
  });

  test('the doctor finds credentials, type and AMI, and the quota is unknown', async () => {
    const ec2 = new EC2Client({ region: MOTO_REGION });
    const { Images = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }));
    const amiId = Images[0]?.ImageId ?? '';
    const diagnosis = await examine({
      ...input,
      vms: 40,
      amiId,
      cloud: (region) => createCloud({ region, uid: 'none' }),
    });
    expect(statuses(diagnosis)).toMatchObject({
      credentials: 'ok',
      'machine type': 'ok',
      AMI: 'ok',
      quota: 'unknown',
    });
  });

  test('the doctor says whether the bucket of the state exists', async () => {
    const s3 = new S3Client({ region: MOTO_REGION, forcePathStyle: true });
    await s3.send(
      new CreateBucketCommand({
        Bucket: 'lab-state',
        CreateBucketConfiguration: { LocationConstraint: MOTO_REGION },
      }),
    );
    const at = (backendUrl: string) => checkState({ backendUrl, folder: '/x', region: MOTO_REGION }, signal);
    expect(await at('s3://lab-state')).toMatchObject({ result: { ok: true } });
    expect(await at('s3://nobodys-state')).toMatchObject({
      result: { failure: { message: 'the bucket does not exist.' } },
    });
  });
});

test('the doctor accepts a folder for the state that is writable or can be created', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-state-'));
  try {
    const at = (place: string, backendUrl: string | null = null) =>
      checkState({ backendUrl, folder: place, region: null }, signal);
    expect(await at(join(folder, 'a', 'b'))).toMatchObject({ result: { ok: true } });
    await writeFile(join(folder, 'file'), '');
    expect(await at(join(folder, 'file', 'state'))).toMatchObject({
      result: { failure: { remedy: expect.stringContaining('PULUMI_BACKEND_URL') as unknown } },
    });
    expect(await at('/x', `file://${folder}`)).toMatchObject({ location: folder, result: { ok: true } });
    expect((await at('/x', 'gs://bucket')).result.ok).toBe(false);
  } finally {
    await rm(folder, { recursive: true });
  }
});
