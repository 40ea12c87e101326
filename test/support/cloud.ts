// A cloud for tests: moto's EC2 API as a process of its own, the provider double that makes machines in it, and the faults
// that it can be told to have. What exists is read back by a client that has nothing to do with either.
import {
  DescribeInstanceAttributeCommand,
  EC2Client,
  paginateDescribeInstances,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type Instance,
  type _InstanceType,
} from '@aws-sdk/client-ec2';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import {
  CONTROL_VARIABLE,
  NO_FAULTS,
  diaryFile,
  faultsFile,
  readDiary,
  type DiaryEntry,
  type Faults,
  type Refusal,
} from '../doubles/aws/faults.ts';
import { readCloudParts, type CloudPartsReader } from './cloud-parts.ts';
import { requirePart } from './required.ts';

const root = join(import.meta.dirname, '..', '..');
const MOTO = join(root, '.cache', 'python', 'moto', 'bin', 'moto_server');
const DOUBLES = join(root, 'test', 'doubles');
const REGION = 'us-east-1';
const START_MS = 60_000;

/** Whether the cloud can be started, for `describe.skipIf(!cloudIsThere())`. */
export function cloudIsThere(): boolean {
  return requirePart('moto server', existsSync(MOTO), 'Run `make python`.');
}

export type TestMachine = {
  readonly instanceId: string;
  /** The tag `Name`, or nothing. */
  readonly name: string;
  readonly state: string;
  readonly instanceType: string;
  readonly publicIp: string;
  readonly privateIp: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly subnetId: string;
  readonly keyName: string;
  readonly securityGroupIds: readonly string[];
};

/** What AWS says with the codes that tests use; the provider prints `<code>: <text>`. */
const AWS_TEXTS: Readonly<Record<string, string>> = {
  VcpuLimitExceeded: 'You have requested more vCPU capacity than your current vCPU limit of 0 allows',
  InsufficientInstanceCapacity:
    'We currently do not have sufficient capacity in the Availability Zone you requested',
  ExpiredToken: 'The security token included in the request is expired',
  RequestExpired: 'Request has expired.',
  AuthFailure: 'AWS was not able to validate the provided access credentials',
  UnauthorizedOperation: 'You are not authorized to perform this operation.',
  InvalidAMIID: 'The image id does not exist',
};

export type CloudFaults = {
  /** Refuses the creation of this resource (a hostname) until reset. */
  refuse(name: string, code: string, message?: string): void;
  /** Refuses the n-th machine asked for since the last reset, from 1. */
  refuseNth(nth: number, code: string, message?: string): void;
  /** Refuses where everything that is given fits; `times`: only so often. */
  refuseWhere(
    match: Refusal['match'],
    code: string,
    options?: { message?: string; times?: number; when?: Refusal['when'] },
  ): void;
  /** Milliseconds that EC2 takes to answer for a machine that exists; of all machines, or of one. */
  slow(ms: number, name?: string): void;
  /** AWS makes or ends this (a hostname, or `type::name`) and does not answer until `release()`; without a name, all machines. */
  hold(name?: string): void;
  release(): void;
  /** The plugin ends when these (hostnames, or `type::name`) have been made and before it has said so of any. */
  dieCreating(...names: readonly string[]): void;
  /** None of all that, and the counting begins anew. */
  reset(): void;
};

export type TestCloud = AsyncDisposable & {
  readonly endpoint: string;
  readonly region: string;
  /** For the server, its child and the CLI: where AWS is, who we are, and a PATH on which the plugin double is found. */
  readonly env: Readonly<Record<string, string>>;
  /** The same, but without the plugin double on the PATH. */
  readonly envWithoutPlugin: Readonly<Record<string, string>>;
  /** An EC2 client of its own. */
  readonly ec2: EC2Client;
  /** Every machine that is not terminated. */
  machines(): Promise<readonly TestMachine[]>;
  /** The script that a machine boots with, in the clear. */
  bootOf(instanceId: string): Promise<string>;
  /** What machines share: roles, log groups, functions and so on. */
  readonly parts: CloudPartsReader;
  /** What was asked of the provider double, in order. */
  diary(): readonly DiaryEntry[];
  /** Makes a machine behind everybody's back. */
  runOrphan(tags: Readonly<Record<string, string>>, instanceType?: string): Promise<string>;
  /** Terminates a machine behind everybody's back. */
  terminate(instanceId: string): Promise<void>;
  readonly faults: CloudFaults;
};

export async function startCloud(): Promise<TestCloud> {
  const control = await mkdtemp(join(tmpdir(), 'lablink-cloud-'));
  const moto = await startMoto();
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const env = environmentOf(moto.endpoint, control);
  const ec2 = new EC2Client({ endpoint: moto.endpoint, region: REGION, credentials });
  // Moto loads what it knows of a service at the first question, which takes seconds.
  const parts = readCloudParts(ec2, { endpoint: moto.endpoint, region: REGION, credentials });
  await Promise.all([listMachines(ec2), parts.list()]);
  return {
    endpoint: moto.endpoint,
    region: REGION,
    env: { ...env, PATH: `${DOUBLES}:${process.env['PATH'] ?? ''}` },
    envWithoutPlugin: { ...env, PATH: process.env['PATH'] ?? '' },
    ec2,
    machines: () => listMachines(ec2),
    bootOf: async (instanceId) => {
      const asked = { InstanceId: instanceId, Attribute: 'userData' as const };
      const { UserData } = await ec2.send(new DescribeInstanceAttributeCommand(asked));
      return gunzipSync(Buffer.from(UserData?.Value ?? '', 'base64')).toString('utf8');
    },
    parts,
    diary: () => readDiary(control),
    runOrphan: async (tags, instanceType = 't3.micro') => {
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      const made = await ec2.send(
        new RunInstancesCommand({
          ...{ ImageId: 'ami-1', MinCount: 1, MaxCount: 1, InstanceType: instanceType as _InstanceType },
          TagSpecifications: [{ ResourceType: 'instance', Tags }],
        }),
      );
      return made.Instances![0]!.InstanceId!;
    },
    terminate: async (instanceId) => {
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    },
    faults: createFaults(control),
    [Symbol.asyncDispose]: async () => {
      endPlugins(control);
      ec2.destroy();
      parts.destroy();
      await moto.stop();
      await rm(control, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function environmentOf(endpoint: string, control: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
    AWS_REGION: REGION,
    AWS_EC2_METADATA_DISABLED: 'true',
    [CONTROL_VARIABLE]: control,
  };
}

/** Ends moto when its own input does: also when a test run is killed, no server is left behind. */
const KEEPER = '"$@" & server=$!; while read -r _; do :; done; kill -9 $server';

async function startMoto(): Promise<{ endpoint: string; stop: () => Promise<void> }> {
  const child = spawn('bash', ['-c', KEEPER, 'moto', MOTO, '-H', '127.0.0.1', '-p', '0'], {
    env: { PATH: process.env['PATH'], PYTHONUNBUFFERED: '1', NO_COLOR: '1' },
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  const stop = async () => {
    child.stdin.end();
    await ended;
  };
  let output = '';
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    output = `${output}${line}\n`.slice(-8000);
    const endpoint = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (endpoint !== undefined) listening.resolve(endpoint);
  });
  const late = setTimeout(() => listening.reject(new Error(`moto did not start:\n${output}`)), START_MS);
  try {
    return { endpoint: await listening.promise, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function listMachines(ec2: EC2Client): Promise<TestMachine[]> {
  const machines: TestMachine[] = [];
  for await (const { Reservations = [] } of paginateDescribeInstances({ client: ec2 }, {}))
    for (const found of Reservations.flatMap(({ Instances = [] }) => Instances))
      if (found.State?.Name !== 'terminated') machines.push(machineOf(found));
  return machines.sort((left, right) => left.name.localeCompare(right.name, 'en', { numeric: true }));
}

function machineOf(found: Instance): TestMachine {
  const tags = Object.fromEntries((found.Tags ?? []).map(({ Key, Value }) => [Key!, Value!]));
  return {
    instanceId: found.InstanceId!,
    name: tags['Name'] ?? '',
    state: found.State!.Name!,
    instanceType: found.InstanceType!,
    publicIp: found.PublicIpAddress ?? '',
    privateIp: found.PrivateIpAddress ?? '',
    tags,
    subnetId: found.SubnetId ?? '',
    keyName: found.KeyName ?? '',
    securityGroupIds: (found.SecurityGroups ?? []).map(({ GroupId }) => GroupId!),
  };
}

function createFaults(control: string): CloudFaults {
  let faults: Faults = NO_FAULTS;
  let refusals = 0;
  const set = (change: Partial<Faults>) => {
    faults = { ...faults, ...change };
    const file = faultsFile(control);
    writeFileSync(`${file}.tmp`, JSON.stringify(faults));
    renameSync(`${file}.tmp`, file);
  };
  const refuseWhere: CloudFaults['refuseWhere'] = (match, code, options = {}) => {
    const text = `${code}: ${options.message ?? AWS_TEXTS[code] ?? 'The request was refused.'}`;
    const refusal = {
      id: (refusals += 1),
      when: options.when ?? 'create',
      match,
      text,
      times: options.times ?? null,
    };
    set({ refusals: [...faults.refusals, refusal] });
  };
  const said = (message: string | undefined) => (message === undefined ? {} : { message });
  return {
    refuseWhere,
    refuse: (name, code, message) => refuseWhere({ name }, code, said(message)),
    refuseNth: (nth, code, message) => refuseWhere({ nth }, code, said(message)),
    slow: (ms, name = '*') => set({ slow: { ...faults.slow, [name]: ms } }),
    hold: (name = '*') => set({ hold: [...faults.hold, name] }),
    release: () => set({ hold: [] }),
    dieCreating: (...names) => set({ dieCreating: names }),
    reset: () => {
      set(NO_FAULTS);
      rmSync(diaryFile(control), { force: true });
    },
  };
}

/** Plugins that outlived their engine; each is asked for by the id that it wrote into the diary. */
function endPlugins(control: string): void {
  for (const pid of new Set(readDiary(control).map((entry) => entry.pid)))
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself, as it should.
    }
}
