// How many vCPUs the account may run on demand, and how many it runs: the limit from Service Quotas, the use from EC2.
import { paginateDescribeInstances, type Instance } from '@aws-sdk/client-ec2';
import { GetServiceQuotaCommand } from '@aws-sdk/client-service-quotas';
import { allPages, asking, during, type Clients } from './clients.ts';
import { toCloudError } from './cloud-error.ts';
import { quotaNamed, quotaOf, SERVICE_CODE, type QuotaFamily } from './quotas.ts';
import { describeTypes } from './types.ts';

export type QuotaUse = { readonly limitVcpus: number; readonly usedVcpus: number };

export async function readQuota(
  clients: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<QuotaUse | null> {
  const limitVcpus = await readLimit(clients, family, signal);
  if (limitVcpus === null) return null;
  return { limitVcpus, usedVcpus: await readUse(clients, family, signal) };
}

/** Null where it cannot be read: the permission is missing, or the endpoint has no such service. */
async function readLimit(
  { quotas }: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const command = new GetServiceQuotaCommand({
    ServiceCode: SERVICE_CODE,
    QuotaCode: quotaNamed(family).code,
  });
  try {
    const { Quota } = await quotas.send(command, during(signal));
    return Quota?.Value ?? null;
  } catch (error) {
    const told = toCloudError(error, 'reading the quota');
    if (told.kind === 'cancelled' || told.kind === 'timeout') throw told;
    // Who may not read quotas may launch all the same; wrong credentials are told by every other request.
    return null;
  }
}

/** Of all machines of the account in the region, whoever made them. */
async function readUse(
  { ec2 }: Clients,
  family: QuotaFamily,
  signal: AbortSignal | undefined,
): Promise<number> {
  const Filters = [{ Name: 'instance-state-name', Values: ['pending', 'running'] }];
  const reservations = await asking('counting what runs in the account', () =>
    allPages(
      paginateDescribeInstances({ client: ec2 }, { Filters }, during(signal)),
      (page) => page.Reservations,
    ),
  );
  const instances = reservations
    .flatMap(({ Instances = [] }) => Instances)
    .filter(
      ({ InstanceType = '', InstanceLifecycle }) =>
        InstanceLifecycle === undefined && quotaOf(InstanceType)?.family === family,
    );
  const unsaid = instances.filter((instance) => vcpusSaid(instance) === null);
  const types = [...new Set(unsaid.flatMap(({ InstanceType }) => InstanceType ?? []))];
  const facts = await describeTypes(ec2, types, signal);
  return instances.reduce(
    (sum, instance) => sum + (vcpusSaid(instance) ?? facts.get(instance.InstanceType ?? '')?.vcpus ?? 0),
    0,
  );
}

function vcpusSaid({ CpuOptions }: Instance): number | null {
  const { CoreCount, ThreadsPerCore } = CpuOptions ?? {};
  return CoreCount === undefined || ThreadsPerCore === undefined ? null : CoreCount * ThreadsPerCore;
}
