// The vCPU quotas of AWS for on-demand instances: which one an instance type counts against, its limit (from Service
// Quotas) and the vCPUs in use (from EC2).
import { paginateDescribeInstances, type Instance } from '@aws-sdk/client-ec2';
import { GetServiceQuotaCommand } from '@aws-sdk/client-service-quotas';
import { abortable, allPages, callAws, type Clients } from './clients.ts';
import { toCloudError } from './cloud-error.ts';
import { describeTypes } from './instance-types.ts';

export type QuotaFamily = 'standard' | 'G' | 'P' | 'X' | 'F' | 'Inf' | 'Trn' | 'DL' | 'HPC' | 'HighMemory';

export type Quota = {
  readonly family: QuotaFamily;
  /** The name in the Service Quotas console. */
  readonly name: string;
  readonly code: string;
  /** The letters with which instance types of this family start. */
  readonly prefixes: readonly string[];
};

const name = (families: string): string => `Running On-Demand ${families} instances`;

const quotas: readonly Quota[] = [
  { family: 'G', name: name('G and VT'), code: 'L-DB2E81BA', prefixes: ['g', 'vt', 'gr'] },
  { family: 'P', name: name('P'), code: 'L-417A185B', prefixes: ['p'] },
  { family: 'Inf', name: name('Inf'), code: 'L-1945791B', prefixes: ['inf'] },
  { family: 'Trn', name: name('Trn'), code: 'L-2C3B7624', prefixes: ['trn'] },
  { family: 'DL', name: name('DL'), code: 'L-6E869C2A', prefixes: ['dl'] },
  { family: 'HPC', name: name('HPC'), code: 'L-F7808C92', prefixes: ['hpc'] },
  { family: 'F', name: name('F'), code: 'L-74FC7D96', prefixes: ['f'] },
  { family: 'X', name: name('X'), code: 'L-7295265B', prefixes: ['x'] },
  { family: 'HighMemory', name: name('High Memory'), code: 'L-43DA4232', prefixes: ['u'] },
  {
    family: 'standard',
    name: name('Standard (A, C, D, H, I, M, R, T, Z)'),
    code: 'L-1216C47A',
    prefixes: ['a', 'c', 'd', 'h', 'i', 'im', 'is', 'm', 'mac', 'r', 't', 'z'],
  },
];

/** The quota that a type such as `g4dn.xlarge` counts against; null if its family is unknown. */
export function quotaOf(instanceType: string): Quota | null {
  const letters = /^[a-z]+/.exec(instanceType.toLowerCase())?.[0] ?? '';
  return quotas.find(({ prefixes }) => prefixes.includes(letters)) ?? null;
}

export type QuotaUse = { readonly limitVcpus: number; readonly usedVcpus: number };

/** Null if the limit cannot be read: the permission is missing, or the endpoint has no such service. */
export async function readQuotaUse(
  clients: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<QuotaUse | null> {
  const limitVcpus = await readLimit(clients, family, signal);
  if (limitVcpus === null) return null;
  return { limitVcpus, usedVcpus: await readUsed(clients, family, signal) };
}

async function readLimit(
  clients: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const QuotaCode = quotas.find((quota) => quota.family === family)?.code;
  const command = new GetServiceQuotaCommand({ ServiceCode: 'ec2', QuotaCode });
  try {
    const { Quota } = await clients.quotas.send(command, abortable(signal));
    return Quota?.Value ?? null;
  } catch (error) {
    const cloudError = toCloudError(error, 'reading the quota');
    if (['cancelled', 'timeout'].includes(cloudError.failure.code)) throw cloudError;
    // Launching does not require this permission; every other request reports wrong credentials.
    return null;
  }
}

/** The vCPUs of all on-demand instances of the account in the region. */
async function readUsed(
  { ec2 }: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<number> {
  const Filters = [{ Name: 'instance-state-name', Values: ['pending', 'running'] }];
  const reservations = await callAws('counting the vCPUs in use', () =>
    allPages(
      paginateDescribeInstances({ client: ec2 }, { Filters }, abortable(signal)),
      (page) => page.Reservations,
    ),
  );
  const instances = reservations
    .flatMap(({ Instances = [] }) => Instances)
    .filter(
      ({ InstanceType = '', InstanceLifecycle }) =>
        InstanceLifecycle === undefined && quotaOf(InstanceType)?.family === family,
    );
  const withoutCount = instances.filter((instance) => vcpusOf(instance) === null);
  const types = [...new Set(withoutCount.flatMap(({ InstanceType }) => InstanceType ?? []))];
  const facts = await describeTypes(ec2, types, signal);
  return instances.reduce(
    (sum, instance) => sum + (vcpusOf(instance) ?? facts.get(instance.InstanceType ?? '')?.vcpus ?? 0),
    0,
  );
}

function vcpusOf({ CpuOptions }: Instance): number | null {
  const { CoreCount, ThreadsPerCore } = CpuOptions ?? {};
  return CoreCount === undefined || ThreadsPerCore === undefined ? null : CoreCount * ThreadsPerCore;
}
