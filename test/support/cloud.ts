// AWS for tests: moto in a process of its own, the AWS plugin double that creates resources in it, and faults. Tests list what
// exists with a separate client.
import {
  DescribeInstanceAttributeCommand,
  EC2Client,
  paginateDescribeInstances,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type Instance,
  type _InstanceType,
} from '@aws-sdk/client-ec2';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { allocatorActions, backupActions, pluginActions, stateActions } from '../../infra/permissions.ts';
import {
  CONTROL_VARIABLE,
  NO_FAULTS,
  callsFile,
  faultsFile,
  readCalls,
  type RecordedCall,
  type Faults,
  type Rejection,
} from '../doubles/aws/faults.ts';
import { readAwsRequests, TEST_CREDENTIALS, type AwsRequest } from './aws-requests.ts';
import { readSharedResources, type SharedResourcesReader } from './cloud-resources.ts';
import { doublesFolder } from './doubles.ts';
import { startMoto } from './moto.ts';

const REGION = 'us-east-1';

type TestMachine = {
  readonly instanceId: string;
  /** The tag `Name`, or an empty string. */
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

/** The messages of AWS; the plugin prints `<code>: <text>`. */
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

type CloudFaults = {
  /** Rejects the creation of this machine (by hostname) until reset. */
  reject(name: string, code: string, message?: string): void;
  /** Rejects the n-th requested machine since the last reset, from 1. */
  rejectNth(nth: number, code: string, message?: string): void;
  /** Rejects calls that match all given properties, at most `times` times. */
  rejectWhere(
    match: Rejection['match'],
    code: string,
    options?: { message?: string; times?: number; when?: Rejection['when'] },
  ): void;
  /** Delays the confirmation of created machines, or of one machine. */
  slow(ms: number, name?: string): void;
  /** AWS creates or deletes this (hostname or `type::name`; all machines if omitted), and confirms it after `release()`. */
  hold(name?: string): void;
  release(): void;
  /** The plugin dies when these (hostname or `type::name`) are created, before it confirms any of them. */
  dieCreating(...names: readonly string[]): void;
  /** Removes all faults and recorded calls. */
  reset(): void;
};

export type TestCloud = AsyncDisposable & {
  readonly endpoint: string;
  readonly region: string;
  /** For the server, its child process and the CLI: endpoint, credentials, and a PATH with the plugin double. */
  readonly env: Readonly<Record<string, string>>;
  /** The same without the plugin double on the PATH. */
  readonly envWithoutPlugin: Readonly<Record<string, string>>;
  readonly ec2: EC2Client;
  /** All machines that are not terminated. */
  machines(): Promise<readonly TestMachine[]>;
  /** The user data of a machine, uncompressed. */
  bootOf(instanceId: string): Promise<string>;
  /** Roles, log groups, functions and so on. */
  readonly sharedResources: SharedResourcesReader;
  /** The calls of the plugin double, in order. */
  calls(): readonly RecordedCall[];
  /** The requests of the allocator, of the plugin double and of Pulumi to AWS, without doubles. */
  requests(): readonly AwsRequest[];
  /** Those until now are in `requests` no more. */
  forgetRequests(): void;
  /** Creates a machine without the allocator. */
  runOrphan(tags: Readonly<Record<string, string>>, instanceType?: string): Promise<string>;
  /** Terminates a machine without the allocator. */
  terminate(instanceId: string): Promise<void>;
  readonly faults: CloudFaults;
  /** AWS is as at the start, which takes less time than another start. */
  reset(): Promise<void>;
};

/** @param options `checksPermissions`: whether a call that docs/aws-policy.json does not allow fails the test at its end */
export async function startCloud({ checksPermissions = true } = {}): Promise<TestCloud> {
  const control = await mkdtemp(join(tmpdir(), 'lablink-cloud-'));
  const recording = join(control, 'requests.jsonl');
  const moto = await startMoto(REGION, recording);
  const credentials = TEST_CREDENTIALS;
  const env = { ...moto.env, [CONTROL_VARIABLE]: control };
  const ec2 = new EC2Client({ endpoint: moto.endpoint, region: REGION, credentials });
  const sharedResources = readSharedResources(ec2, { endpoint: moto.endpoint, region: REGION, credentials });
  const faults = createFaults(control);
  let forgotten = 0;
  return {
    endpoint: moto.endpoint,
    region: REGION,
    env: { ...env, PATH: `${doublesFolder()}:${process.env['PATH'] ?? ''}` },
    envWithoutPlugin: { ...env, PATH: process.env['PATH'] ?? '' },
    ec2,
    machines: () => listMachines(ec2),
    bootOf: async (instanceId) => {
      const asked = { InstanceId: instanceId, Attribute: 'userData' as const };
      const { UserData } = await ec2.send(new DescribeInstanceAttributeCommand(asked));
      return gunzipSync(Buffer.from(UserData?.Value ?? '', 'base64')).toString('utf8');
    },
    sharedResources,
    calls: () => readCalls(control),
    requests: () => readAwsRequests(recording, forgotten),
    forgetRequests: () => {
      forgotten = existsSync(recording) ? readFileSync(recording, 'utf8').length : 0;
    },
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
    faults,
    reset: async () => {
      faults.reset();
      const { ok, status } = await fetch(`${moto.endpoint}/moto-api/reset`, { method: 'POST' });
      if (!ok) throw new Error(`moto was not reset: ${status}`);
    },
    [Symbol.asyncDispose]: async () => {
      const requests = readAwsRequests(recording);
      endPlugins(control);
      ec2.destroy();
      sharedResources.destroy();
      await moto[Symbol.asyncDispose]();
      await rm(control, { recursive: true, force: true, maxRetries: 5 });
      if (checksPermissions) requireAllowed(requests);
    },
  };
}

const allowed: Readonly<Record<AwsRequest['by'], readonly string[]>> = {
  // Pulumi has the allocator's credentials for its state.
  allocator: [...allocatorActions, ...stateActions, ...backupActions],
  plugin: pluginActions,
  state: stateActions,
};

/** Throws if a request was made that docs/aws-policy.json does not allow. */
function requireAllowed(requests: readonly AwsRequest[]): void {
  const refused = requests.filter(({ by, action }) => !allowed[by].includes(action));
  if (refused.length > 0)
    throw new Error(
      `infra/permissions.ts does not allow ${refused.map(({ by, action }) => `${action} (${by})`).join(', ')}`,
    );
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
  let rejections = 0;
  const set = (change: Partial<Faults>) => {
    faults = { ...faults, ...change };
    const file = faultsFile(control);
    writeFileSync(`${file}.tmp`, JSON.stringify(faults));
    renameSync(`${file}.tmp`, file);
  };
  const rejectWhere: CloudFaults['rejectWhere'] = (match, code, options = {}) => {
    const text = `${code}: ${options.message ?? AWS_TEXTS[code] ?? 'The request was rejected.'}`;
    const rejection = {
      id: (rejections += 1),
      when: options.when ?? 'create',
      match,
      text,
      times: options.times ?? null,
    };
    set({ rejections: [...faults.rejections, rejection] });
  };
  const said = (message: string | undefined) => (message === undefined ? {} : { message });
  return {
    rejectWhere,
    reject: (name, code, message) => rejectWhere({ name }, code, said(message)),
    rejectNth: (nth, code, message) => rejectWhere({ nth }, code, said(message)),
    slow: (ms, name = '*') => set({ slow: { ...faults.slow, [name]: ms } }),
    hold: (name = '*') => set({ hold: [...faults.hold, name] }),
    release: () => set({ hold: [] }),
    dieCreating: (...names) => set({ dieCreating: names }),
    reset: () => {
      set(NO_FAULTS);
      rmSync(callsFile(control), { force: true });
    },
  };
}

/** Kills plugins that outlived their engine, by the process ids in the recorded calls. */
function endPlugins(control: string): void {
  for (const pid of new Set(readCalls(control).map((entry) => entry.pid)))
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
}
