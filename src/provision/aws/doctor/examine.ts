// Looks at everything that a launch on AWS needs, one after the other, and says of each how it is and what to do. Changes
// nothing; what cannot be found out without the one before is unknown, not bad.
import type { Cloud } from '../cloud.ts';
import { CloudError } from '../cloud-error.ts';
import { checkAddress, isPrivateAddress } from '../preflight.ts';
import type { QuotaUse } from '../quota-use.ts';
import { quotaOf } from '../quotas.ts';
import type { Tools } from '../tools.ts';
import type { TypeFacts } from '../types.ts';
import { planFor } from './plan.ts';
import { ok, problem, unknown, type Diagnosis, type Finding } from './report.ts';

export type DoctorInput = {
  /** How many machines are wanted; null = not said. */
  readonly vms: number | null;
  /** Null where it is not set. */
  readonly machineType: string | null;
  readonly region: string | null;
  readonly amiId: string | null;
  readonly publicUrl: string | null;
  readonly allowPlainHttp: boolean;
  readonly tools: () => Promise<Tools>;
  readonly cloud: (region: string) => Cloud;
  /** What the state is kept in: null where it can be used, else what is in the way. */
  readonly state: () => Promise<{
    readonly where: string;
    readonly fault: string | null;
    readonly remedy: string;
  }>;
  readonly signal: AbortSignal;
};

/** What the field's machines are, where nothing is said. */
const ASSUMED_TYPE = 'g4dn.xlarge';
const NOT_ASKED = 'Not asked: it takes a region and credentials.';

export async function examine(input: DoctorInput): Promise<Diagnosis> {
  const type = input.machineType ?? ASSUMED_TYPE;
  const cloud = input.region === null ? null : input.cloud(input.region);
  const credentials =
    cloud === null
      ? unknown('credentials', 'Not asked: it takes a region.')
      : await checkCaller(cloud, input);
  const usable = credentials.status === 'ok' ? cloud : null;
  const facts = await askTypes(usable, type, input);
  const use = await askQuota(usable, type, input);
  const vcpus = facts instanceof CloudError ? null : (facts?.get(type)?.vcpus ?? null);
  const plan =
    input.vms === null
      ? null
      : planFor({
          vms: input.vms,
          machineType: type,
          region: input.region,
          vcpus,
          use: use instanceof CloudError ? null : use,
        });
  const findings = [
    ...(await checkTools(input)),
    checkRegion(input),
    credentials,
    checkType(input, type, facts),
    await checkImage(usable, input),
    quotaFinding(type, usable === null ? 'unasked' : use, plan?.vcpusNeeded ?? null),
    checkPublicUrl(input),
    await checkState(input),
  ];
  return { findings, plan };
}

async function checkTools({ tools }: DoctorInput): Promise<Finding[]> {
  const found = await tools();
  if (found.ok)
    return [
      ok('program', `pulumi is at ${found.cliRoot}/bin/pulumi, in the right version.`),
      ok('plugin', 'The plugin for AWS is there.'),
    ];
  // The plugin is looked for when the program is found.
  return found.problem.includes('plugin')
    ? [
        ok('program', 'pulumi is there, in the right version.'),
        problem('plugin', found.problem, found.remedy),
      ]
    : [
        problem('program', found.problem, found.remedy),
        unknown('plugin', 'It is looked for when the program is there.'),
      ];
}

function checkRegion({ region }: DoctorInput): Finding {
  return region === null
    ? problem('region', 'No region is set.', 'Write app.region into the config file, such as us-west-2.')
    : ok('region', region);
}

async function checkCaller(cloud: Cloud, { signal }: DoctorInput): Promise<Finding> {
  const caller = await asked(cloud.caller(signal));
  if (caller instanceof CloudError) return problem('credentials', caller.message, caller.remedy);
  return ok('credentials', `${caller.arn} (account ${caller.account})`);
}

type Asked<T> = T | CloudError | null;

async function askTypes(
  cloud: Cloud | null,
  type: string,
  { signal }: DoctorInput,
): Promise<Asked<ReadonlyMap<string, TypeFacts>>> {
  return cloud && asked(cloud.describeTypes([type], signal));
}

function checkType(
  { machineType, region }: DoctorInput,
  type: string,
  facts: Asked<ReadonlyMap<string, TypeFacts>>,
): Finding {
  const name = 'machine type';
  if (machineType === null)
    return problem(
      name,
      `None is set; ${ASSUMED_TYPE} is assumed here.`,
      'Write machine.machine_type into the config file.',
    );
  if (facts === null) return unknown(name, `${type}. ${NOT_ASKED}`);
  if (facts instanceof CloudError) return problem(name, facts.message, facts.remedy);
  const found = facts.get(type);
  if (!found)
    return problem(
      name,
      `EC2 has no machine of the type ${type} in ${String(region)}.`,
      'Correct machine.machine_type, or choose another region.',
    );
  const gpu = found.nvidia ? 'with an NVIDIA GPU' : 'without an NVIDIA GPU';
  const zones = found.zones.length === 0 ? '' : `, in ${found.zones.join(', ')}`;
  return ok(name, `${type}: ${found.vcpus} vCPUs, ${gpu}${zones}`);
}

async function checkImage(cloud: Cloud | null, { amiId, region, signal }: DoctorInput): Promise<Finding> {
  if (amiId === null) return problem('AMI', 'None is set.', 'Write machine.ami_id into the config file.');
  if (cloud === null) return unknown('AMI', `${amiId}. ${NOT_ASKED}`);
  const image = await asked(cloud.image(amiId, signal));
  if (image instanceof CloudError) return problem('AMI', image.message, image.remedy);
  return image === null
    ? problem(
        'AMI',
        `There is no AMI ${amiId} in ${String(region)} that this account may use.`,
        'Correct machine.ami_id: AMIs have another id in every region.',
      )
    : ok('AMI', `${amiId}: ${image.name}, ${image.rootDiskGb} GB`);
}

async function askQuota(
  cloud: Cloud | null,
  type: string,
  { signal }: DoctorInput,
): Promise<Asked<QuotaUse>> {
  const quota = quotaOf(type);
  return cloud && quota && asked(cloud.onDemandQuota(quota.family, signal));
}

function quotaFinding(type: string, use: Asked<QuotaUse> | 'unasked', needed: number | null): Finding {
  const quota = quotaOf(type);
  const name = 'quota';
  if (quota === null) return unknown(name, `Which quota ${type} counts against is not known here.`);
  const called = `“${quota.name}” (${quota.code})`;
  if (use === 'unasked') return unknown(name, `${called}. ${NOT_ASKED}`);
  if (use instanceof CloudError) return problem(name, use.message, use.remedy);
  if (use === null)
    return unknown(
      name,
      `${called}: its limit cannot be read.`,
      'Allow servicequotas:GetServiceQuota, or look it up in the console: Service Quotas, Amazon EC2.',
    );
  const left = Math.max(0, use.limitVcpus - use.usedVcpus);
  const stands = `${called}: ${use.limitVcpus} vCPUs, ${use.usedVcpus} in use, ${left} left`;
  if (needed === null)
    return left === 0
      ? problem(
          name,
          `${stands}.`,
          'Ask AWS for more: `lablink doctor --vms <number>` says how many, and where.',
        )
      : ok(name, `${stands}.`);
  return left >= needed
    ? ok(name, `${stands}; ${needed} are needed.`)
    : problem(name, `${stands}; ${needed} are needed.`, 'Ask AWS for more, as said above.');
}

function checkPublicUrl({ publicUrl, allowPlainHttp }: DoctorInput): Finding {
  const name = 'public address';
  if (publicUrl === null)
    return problem(
      name,
      'None is set: machines would not know where this server is.',
      'Set PUBLIC_URL to the address under which the internet reaches this server, such as https://lablink.example.org.',
    );
  const reached = checkAddress(publicUrl, allowPlainHttp);
  if (!reached.ok) return problem(name, reached.failure.message, reached.failure.remedy);
  return isPrivateAddress(publicUrl)
    ? unknown(
        name,
        `${publicUrl} is a private address: only machines of the same network reach it.`,
        'Launch into that network (machine.vpc_id), or set PUBLIC_URL to a public address.',
      )
    : ok(name, publicUrl);
}

async function checkState({ state }: DoctorInput): Promise<Finding> {
  const { where, fault, remedy } = await state();
  return fault === null ? ok('state', where) : problem('state', `${where}: ${fault}`, remedy);
}

async function asked<T>(request: Promise<T>): Promise<T | CloudError> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof CloudError) return error;
    throw error;
  }
}
