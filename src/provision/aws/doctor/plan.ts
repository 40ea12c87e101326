// Plans a number of machines: how many vCPUs they need, which quota counts, how to request it, and the list price. Pure.
import { HOURS_MAX } from '../../../vms/shutdown.ts';
import { PRICED_REGION, priceOf, PRICES_AS_OF } from '../../../vms/prices.ts';
import { quotaOf, type Quota, type QuotaUse } from '../quotas.ts';
import type { Plan } from './report.ts';

export type PlanInput = {
  readonly vms: number;
  readonly machineType: string;
  readonly region: string | null;
  /** From EC2; null if EC2 was not asked. */
  readonly vcpus: number | null;
  /** Null = unknown. */
  readonly use: QuotaUse | null;
};

const WORKSHOP_HOURS = 8;

export function planFor({ vms, machineType, region, vcpus, use }: PlanInput): Plan {
  const price = priceOf(machineType);
  const vcpusEach = vcpus ?? price?.vcpus ?? null;
  const quota = quotaOf(machineType);
  const vcpusNeeded = vcpusEach === null ? null : vcpusEach * vms;
  const limitNeeded = vcpusNeeded === null ? null : vcpusNeeded + (use?.usedVcpus ?? 0);
  const listed = price === null ? null : Math.round(price.usdPerHour * vms * 100) / 100;
  const usdPerHour = isPriced(region) ? listed : null;
  const facts = { vms, machineType, vcpusEach, vcpusNeeded, limitNeeded, region, usdPerHour };
  return {
    ...facts,
    quotaName: quota?.name ?? null,
    quotaCode: quota?.code ?? null,
    lines: [describeNeed(facts), ...describeQuota(facts, quota, use), ...describeCost(listed, region)],
  };
}

/** The price table covers one region, which is also the default. */
function isPriced(region: string | null): boolean {
  return region === null || region === PRICED_REGION;
}

type Facts = Omit<Plan, 'lines' | 'quotaName' | 'quotaCode'>;

function describeNeed({ vms, machineType, vcpusEach, vcpusNeeded }: Facts): string {
  const machines = `${vms === 1 ? '1 machine' : `${vms} machines`} of the type ${machineType}`;
  if (vcpusEach === null || vcpusNeeded === null)
    return `${machines}: the number of vCPUs of this type is not known. See https://aws.amazon.com/ec2/instance-types/`;
  return `${machines} ${vms === 1 ? 'needs' : 'need'} ${vcpusNeeded} vCPUs (${vcpusEach} each).`;
}

function describeQuota({ limitNeeded, region }: Facts, quota: Quota | null, use: QuotaUse | null): string[] {
  if (quota === null)
    return ['The quota for this type is not known. See Service Quotas, Amazon EC2, “Running On-Demand …”.'];
  const counted = `They count against “${quota.name}” (${quota.code})${region === null ? '' : `, in ${region}`}.`;
  if (limitNeeded === null) return [counted];
  if (use !== null && use.limitVcpus >= limitNeeded)
    return [
      counted,
      `The account has a limit of ${use.limitVcpus} vCPUs, of which ${use.usedVcpus} are in use. That is enough.`,
    ];
  const current =
    use === null
      ? 'The current limit of the account is unknown; a new account has 0 to 4.'
      : `The account has a limit of ${use.limitVcpus} vCPUs, of which ${use.usedVcpus} are in use. That is not enough.`;
  const regionName = region ?? '<region>';
  return [
    counted,
    current,
    `Request a limit of at least ${limitNeeded} some days ahead, because AWS may need that long:`,
    `  Console: Service Quotas > AWS services > Amazon Elastic Compute Cloud (Amazon EC2) > ${quota.name} > Request increase at account level`,
    `  Address: https://${regionName}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/${quota.code}`,
    `  Command: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${quota.code} --desired-value ${limitNeeded} --region ${regionName}`,
    ...(region === null
      ? ['  A quota applies to one region: set app.region in the config file, or use --region.']
      : []),
  ];
}

/** @param usdPerHour in the region of the price table */
function describeCost(usdPerHour: number | null, region: string | null): string[] {
  if (usdPerHour === null) return ['The price of this type is not known.'];
  const elsewhere = region !== null && region !== PRICED_REGION;
  const hours = Math.min(WORKSHOP_HOURS, HOURS_MAX);
  return [
    ...(elsewhere ? [`The price in ${region} is not known.`] : []),
    `${elsewhere ? `In ${PRICED_REGION} they would cost` : 'They cost'} about $${usdPerHour.toFixed(2)} an hour, $${(usdPerHour * hours).toFixed(2)} for ${hours} hours (list price, ${PRICED_REGION}, on demand, Linux, as of ${PRICES_AS_OF}, without disks and traffic).`,
  ];
}
