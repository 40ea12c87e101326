// Checks everything that a launch on AWS needs, and says for each check what was found and what to do. Changes nothing. A
// check that depends on a failed one is `unknown`.
import { fail, type Result } from '../../../result.ts';
import type { Cloud } from '../cloud.ts';
import { CloudError } from '../cloud-error.ts';
import type { InstanceTypeFacts } from '../instance-types.ts';
import { checkAddress, isPrivateAddress } from '../preflight.ts';
import { quotaOf, type QuotaUse } from '../quotas.ts';
import type { Tools } from '../../engine/tools.ts';
import { planFor } from './plan.ts';
import { ok, problem, unknown, type Diagnosis, type Finding, type Plan } from './report.ts';
import type { StateCheck } from './state.ts';

export type DoctorInput = {
  /** The number of machines to plan for; null = no plan. */
  readonly vms: number | null;
  /** Null if it is not set, as are the following. */
  readonly machineType: string | null;
  readonly region: string | null;
  readonly amiId: string | null;
  readonly publicUrl: string | null;
  readonly allowPlainHttp: boolean;
  readonly trustsProxy: boolean;
  readonly findTools: () => Promise<Tools>;
  readonly cloud: (region: string) => Cloud;
  readonly checkState: () => Promise<StateCheck>;
  readonly signal: AbortSignal;
};

/** The type that most LabLink deployments use. */
const DEFAULT_TYPE = 'g4dn.xlarge';
const NOT_CHECKED = 'Not checked: this needs a region and credentials.';

export async function examine(input: DoctorInput): Promise<Diagnosis> {
  const { region, signal } = input;
  const type = input.machineType ?? DEFAULT_TYPE;
  const configured = region === null ? null : input.cloud(region);
  const credentials = await checkCredentials(configured, signal);
  const cloud = credentials.status === 'ok' ? configured : null;
  const types = cloud && (await ask(cloud.describeTypes([type], signal)));
  const quota = quotaOf(type);
  const use = cloud && quota && (await ask(cloud.onDemandQuota(quota.family, signal)));
  const plan = planOf(input, type, types, use);
  const findings = [
    ...checkTools(await input.findTools()),
    checkRegion(region),
    credentials,
    checkType(input, type, types),
    await checkImage(input, cloud),
    checkQuota(type, use, plan?.vcpusNeeded ?? null),
    checkPublicUrl(input),
    ...checkProxy(input),
    checkState(await input.checkState()),
  ];
  return { findings, plan };
}

/** Null = not asked. */
type Answer<T> = Result<T> | null;

function planOf(
  { vms, region }: DoctorInput,
  machineType: string,
  types: Answer<ReadonlyMap<string, InstanceTypeFacts>>,
  use: Answer<QuotaUse | null>,
): Plan | null {
  if (vms === null) return null;
  const vcpus = types?.ok ? (types.value.get(machineType)?.vcpus ?? null) : null;
  return planFor({ vms, machineType, region, vcpus, use: use?.ok ? use.value : null });
}

function checkRegion(region: string | null): Finding {
  return region === null
    ? problem('region', 'No region is set.', 'Set app.region in the config file, such as us-west-2.')
    : ok('region', region);
}

function checkTools(tools: Tools): Finding[] {
  if (tools.ok)
    return [
      ok('program', `The Pulumi CLI is ${tools.value.cliRoot}/bin/pulumi, in the required version.`),
      ok('plugin', 'The AWS plugin of Pulumi is installed.'),
    ];
  const { missing, message, remedy } = tools.failure;
  return missing === 'plugin'
    ? [
        ok('program', 'The Pulumi CLI is installed, in the required version.'),
        problem('plugin', message, remedy),
      ]
    : [problem('program', message, remedy), unknown('plugin', 'Not checked: this needs the Pulumi CLI.')];
}

async function checkCredentials(cloud: Cloud | null, signal: AbortSignal): Promise<Finding> {
  const name = 'credentials';
  if (cloud === null) return unknown(name, 'Not checked: this needs a region.');
  const caller = await ask(cloud.caller(signal));
  if (!caller.ok) return failed(name, caller.failure);
  return ok(name, `${caller.value.arn} (account ${caller.value.account})`);
}

function checkType(
  { machineType, region }: DoctorInput,
  type: string,
  types: Answer<ReadonlyMap<string, InstanceTypeFacts>>,
): Finding {
  const name = 'machine type';
  if (machineType === null)
    return problem(
      name,
      `None is set; these checks assume ${DEFAULT_TYPE}.`,
      'Set machine.machine_type in the config file.',
    );
  if (types === null) return unknown(name, `${type}. ${NOT_CHECKED}`);
  if (!types.ok) return failed(name, types.failure);
  const facts = types.value.get(type);
  if (!facts)
    return problem(
      name,
      `EC2 has no machine type ${type} in ${String(region)}.`,
      'Correct machine.machine_type, or choose another region.',
    );
  const gpu = facts.nvidia ? 'with an NVIDIA GPU' : 'without an NVIDIA GPU';
  const zones = facts.zones.length === 0 ? '' : `, in ${facts.zones.join(', ')}`;
  return ok(name, `${type}: ${facts.vcpus} vCPUs, ${gpu}${zones}`);
}

async function checkImage({ amiId, region, signal }: DoctorInput, cloud: Cloud | null): Promise<Finding> {
  if (amiId === null) return problem('AMI', 'None is set.', 'Set machine.ami_id in the config file.');
  if (cloud === null) return unknown('AMI', `${amiId}. ${NOT_CHECKED}`);
  const image = await ask(cloud.image(amiId, signal));
  if (!image.ok) return failed('AMI', image.failure);
  return image.value === null
    ? problem(
        'AMI',
        `${amiId} does not exist in ${String(region)}, or this account cannot use it.`,
        'Correct machine.ami_id: an AMI has a different id in each region.',
      )
    : ok('AMI', `${amiId}: ${image.value.name}, ${image.value.rootDiskGb} GB`);
}

function checkQuota(type: string, use: Answer<QuotaUse | null>, needed: number | null): Finding {
  const name = 'quota';
  const quota = quotaOf(type);
  if (quota === null) return unknown(name, `The quota for the machine type ${type} is not known.`);
  const title = `“${quota.name}” (${quota.code})`;
  if (use === null) return unknown(name, `${title}. ${NOT_CHECKED}`);
  if (!use.ok) return failed(name, use.failure);
  if (use.value === null)
    return unknown(
      name,
      `${title}: the limit cannot be read.`,
      'Allow servicequotas:GetServiceQuota, or look up the limit in the AWS console: Service Quotas, Amazon EC2.',
    );
  const { limitVcpus, usedVcpus } = use.value;
  const left = Math.max(0, limitVcpus - usedVcpus);
  const numbers = `${title}: ${limitVcpus} vCPUs, ${usedVcpus} in use, ${left} left`;
  if (needed !== null)
    return left >= needed
      ? ok(name, `${numbers}; ${needed} are needed.`)
      : problem(name, `${numbers}; ${needed} are needed.`, 'Request a higher limit, as described above.');
  return left === 0
    ? problem(
        name,
        `${numbers}.`,
        'Request a higher limit: `lablink doctor --vms <number>` shows how many vCPUs, and where.',
      )
    : ok(name, `${numbers}.`);
}

/** The server itself speaks no https. */
function checkProxy({ publicUrl, trustsProxy }: DoctorInput): Finding[] {
  if (trustsProxy || publicUrl?.startsWith('https:') !== true) return [];
  return [
    unknown(
      'proxy',
      'PUBLIC_URL is https, so a proxy stands before the server, but TRUST_PROXY is false: everybody behind it counts as one address.',
      'Set TRUST_PROXY to the number of proxies.',
    ),
  ];
}

function checkPublicUrl({ publicUrl, allowPlainHttp }: DoctorInput): Finding {
  const name = 'public address';
  if (publicUrl === null)
    return problem(
      name,
      'None is set, so machines would not know the address of this server.',
      'Set PUBLIC_URL to the address of this server on the internet, such as https://lablink.example.org.',
    );
  const address = checkAddress(publicUrl, allowPlainHttp);
  if (!address.ok) return failed(name, address.failure);
  return isPrivateAddress(publicUrl)
    ? unknown(
        name,
        `${publicUrl} is a private address: only machines in the same network can reach it.`,
        'Launch into that network (machine.vpc_id), or set PUBLIC_URL to a public address.',
      )
    : ok(name, publicUrl);
}

function checkState({ location, result }: StateCheck): Finding {
  return result.ok
    ? ok('state', location)
    : problem('state', `${location}: ${result.failure.message}`, result.failure.remedy);
}

function failed(name: string, { message, remedy }: { message: string; remedy: string }): Finding {
  return problem(name, message, remedy);
}

async function ask<T>(request: Promise<T>): Promise<Result<T>> {
  try {
    return { ok: true, value: await request };
  } catch (error) {
    if (error instanceof CloudError) return fail(error.failure);
    throw error;
  }
}
