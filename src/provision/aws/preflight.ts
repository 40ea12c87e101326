// What a launch would run into, asked before it is accepted: an address that machines cannot reach, a type or an AMI that
// is not there, a quota that is too small. Cheap; what cannot be asked is no reason to refuse.
import { isIP } from 'node:net';
import { fail, succeed } from '../../result.ts';
import type { ProvisionResult } from '../provider.ts';
import type { Cloud } from './cloud.ts';
import { CloudError } from './cloud-error.ts';
import { quotaOf } from './quotas.ts';
import type { CloudFacts, RememberedFacts } from './remembered.ts';

export type PreflightOptions = {
  readonly cloud: RememberedFacts;
  /** Where machines are to reach this server. */
  readonly allocatorUrl: string;
  readonly allowPlainHttp: boolean;
  /** The types that are tried, in order; the first one counts. */
  readonly machineTypes: readonly string[];
  readonly amiId: string;
};

export type Wanted = { readonly numVms: number; readonly signal: AbortSignal };

/** Of the kind that Provider.preflight is. */
export function createPreflight(options: PreflightOptions): (wanted: Wanted) => Promise<ProvisionResult> {
  return async ({ numVms, signal }) => {
    const reached = checkAddress(options.allocatorUrl, options.allowPlainHttp);
    if (!reached.ok) return reached;
    try {
      const known = await checkCloud(options, numVms, signal);
      if (known.ok) return known;
      // Since it was asked, machines may have ended: nobody is refused because of what was.
      options.cloud.forget();
      return await checkCloud(options, numVms, signal);
    } catch (error) {
      if (!(error instanceof CloudError)) throw error;
      if (error.kind === 'credentials')
        return fail({ code: error.kind, message: error.message, remedy: error.remedy });
      throw error;
    }
  };
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[?::1\]?|0\.0\.0\.0|\[?::\]?)$/i;
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)/;

/** Can a machine elsewhere reach this address, and is it safe to tell it its token there? */
export function checkAddress(url: string, allowPlainHttp: boolean): ProvisionResult {
  const { protocol, hostname } = new URL(url);
  if (LOOPBACK.test(hostname))
    return fail({
      code: 'program',
      message: `Machines in the cloud cannot reach this server: its address is ${url}, which every machine takes for itself.`,
      remedy:
        'Set PUBLIC_URL to the address under which the internet reaches this server, such as https://lablink.example.org.',
    });
  if (protocol === 'http:' && !allowPlainHttp)
    return fail({
      code: 'program',
      message: `The address of this server is ${url}: machines would send their tokens, and participants their PINs, in the clear.`,
      remedy: 'Set PUBLIC_URL to an https address; or, for a trial, set ALLOW_PLAIN_HTTP=true.',
    });
  return succeed();
}

/** A private address is reached from within its network alone; whether the machines are there is not known. */
export function isPrivateAddress(url: string): boolean {
  const { hostname } = new URL(url);
  return isIP(hostname) === 4 && PRIVATE.test(hostname);
}

async function checkCloud(
  {
    cloud,
    machineTypes,
    amiId,
  }: Pick<PreflightOptions, 'machineTypes' | 'amiId'> & { readonly cloud: CloudFacts },
  numVms: number,
  signal: AbortSignal,
): Promise<ProvisionResult> {
  const [type = ''] = machineTypes;
  const [types, image] = await Promise.all([
    cloud.describeTypes(machineTypes, signal),
    cloud.image(amiId, signal),
  ]);
  const facts = types.get(type);
  if (!facts)
    return fail({
      code: 'program',
      message: `EC2 has no machine of the type ${type} in this region.`,
      remedy: 'Correct `machine_type`, or choose another region.',
    });
  if (!image)
    return fail({
      code: 'program',
      message: `There is no AMI ${amiId} in this region that this account may use.`,
      remedy: 'Correct `ami_id`: AMIs have another id in every region.',
    });
  return checkQuota(cloud, { type, vcpus: facts.vcpus, numVms }, signal);
}

export async function checkQuota(
  cloud: Pick<Cloud, 'onDemandQuota'>,
  { type, vcpus, numVms }: { readonly type: string; readonly vcpus: number; readonly numVms: number },
  signal: AbortSignal,
): Promise<ProvisionResult> {
  const quota = quotaOf(type);
  const use = quota && (await cloud.onDemandQuota(quota.family, signal));
  if (!quota || !use) return succeed();
  const needed = vcpus * numVms;
  const left = Math.max(0, use.limitVcpus - use.usedVcpus);
  if (needed <= left) return succeed();
  const fit = Math.floor(left / vcpus);
  return fail({
    code: 'quota',
    message: `${numVms} × ${type} need ${needed} vCPUs, and the account has ${left} left of its ${use.limitVcpus} (“${quota.name}”, ${quota.code}).`,
    remedy: `${fit > 0 ? `Launch at most ${fit}, or ask` : 'Ask'} AWS for more: Service Quotas, Amazon EC2, “${quota.name}”; \`lablink doctor --vms ${numVms}\` says how many.`,
  });
}
