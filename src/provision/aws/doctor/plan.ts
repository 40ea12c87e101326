// How many vCPUs so many machines need, of which quota, and where to ask AWS for them. Pure: needs no account.
import { HOURS_MAX } from '../../../vms/shutdown.ts';
import { PRICED_REGION, priceOf, PRICES_AS_OF } from '../../../vms/prices.ts';
import type { QuotaUse } from '../quota-use.ts';
import { quotaOf, type Quota } from '../quotas.ts';
import type { Plan } from './report.ts';

export type PlanInput = {
  readonly vms: number;
  readonly machineType: string;
  readonly region: string | null;
  /** As EC2 says; null where it was not asked. */
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
    lines: [needs(facts), ...asking(facts, quota, use), ...cost(listed, region)],
  };
}

/** Prices are of one region; without a region that one is meant. */
function isPriced(region: string | null): boolean {
  return region === null || region === PRICED_REGION;
}

type Facts = Omit<Plan, 'lines' | 'quotaName' | 'quotaCode'>;

function needs({ vms, machineType, vcpusEach, vcpusNeeded }: Facts): string {
  const what = `${vms === 1 ? '1 machine' : `${vms} machines`} of the type ${machineType}`;
  if (vcpusEach === null || vcpusNeeded === null)
    return `${what}: how many vCPUs that type has is not known here. Look it up: https://aws.amazon.com/ec2/instance-types/`;
  return `${what} need ${vcpusNeeded} vCPUs (${vcpusEach} each).`;
}

function asking({ limitNeeded, region }: Facts, quota: Quota | null, use: QuotaUse | null): string[] {
  if (quota === null)
    return [
      'Which quota they count against is not known here: look at Service Quotas, Amazon EC2, “Running On-Demand …”.',
    ];
  const counted = `They count against “${quota.name}” (${quota.code})${region === null ? '' : `, in ${region}`}.`;
  if (limitNeeded === null) return [counted];
  if (use !== null && use.limitVcpus >= limitNeeded)
    return [
      counted,
      `The account's limit is ${use.limitVcpus}, and ${use.usedVcpus} are in use: that is enough.`,
    ];
  const stands =
    use === null
      ? 'What the account may have now is unknown; a new account has 0 to 4.'
      : `The account's limit is ${use.limitVcpus}, and ${use.usedVcpus} are in use: that is too little.`;
  const place = region ?? '<region>';
  return [
    counted,
    stands,
    `Ask AWS for a limit of at least ${limitNeeded}, some days ahead (it may take that long):`,
    `  Console: Service Quotas > AWS services > Amazon Elastic Compute Cloud (Amazon EC2) > ${quota.name} > Request increase at account level`,
    `  Address: https://${place}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas/${quota.code}`,
    `  Command: aws service-quotas request-service-quota-increase --service-code ec2 --quota-code ${quota.code} --desired-value ${limitNeeded} --region ${place}`,
    ...(region === null
      ? ['  A quota is of one region: say which (app.region in the config file, or --region).']
      : []),
  ];
}

/** @param usdPerHour where the prices are of */
function cost(usdPerHour: number | null, region: string | null): string[] {
  if (usdPerHour === null) return ['What they cost is not known here.'];
  const elsewhere = region !== null && region !== PRICED_REGION;
  const hours = Math.min(WORKSHOP_HOURS, HOURS_MAX);
  return [
    ...(elsewhere ? [`What they cost in ${region} is not known here.`] : []),
    `${elsewhere ? `In ${PRICED_REGION} they would cost` : 'They cost'} about $${usdPerHour.toFixed(2)} an hour, $${(usdPerHour * hours).toFixed(2)} in ${hours} hours (list price, ${PRICED_REGION}, on demand, Linux, as of ${PRICES_AS_OF}; without disks and traffic).`,
  ];
}
