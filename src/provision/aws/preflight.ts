// Checks before a launch is accepted: an address that machines cannot reach, a type or an AMI that does not exist, a quota
// that is too small. Cheap; a check that cannot be made does not prevent the launch.
import { isIP } from 'node:net';
import { fail, succeed } from '../../result.ts';
import type { ProvisionResult } from '../provider.ts';
import type { CachedFacts, CloudFacts } from './cached-facts.ts';
import { CloudError } from './cloud-error.ts';
import { quotaOf } from './quotas.ts';

export type PreflightOptions = {
  readonly facts: CachedFacts;
  /** Where machines reach this server. */
  readonly allocatorUrl: string;
  readonly allowPlainHttp: boolean;
  /** The first type is the one that is checked. */
  readonly machineTypes: readonly string[];
  readonly amiId: string;
};

type Wanted = { readonly numVms: number; readonly signal: AbortSignal };

/** Implements Provider.preflight. */
export function createPreflight(options: PreflightOptions): (wanted: Wanted) => Promise<ProvisionResult> {
  return async (wanted) => {
    const address = checkAddress(options.allocatorUrl, options.allowPlainHttp);
    if (!address.ok) return address;
    try {
      const cached = await checkCloud(options, wanted);
      if (cached.ok) return cached;
      // Machines may have been destroyed since AWS was asked: ask again before refusing.
      options.facts.clear();
      return await checkCloud(options, wanted);
    } catch (error) {
      if (!(error instanceof CloudError) || error.failure.code !== 'credentials') throw error;
      return fail(error.failure);
    }
  };
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d{1,3}){3}|\[?::1\]?|0\.0\.0\.0|\[?::\]?)$/i;
const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)/;

/** Whether a machine elsewhere can reach this address, and can send its token there safely. */
export function checkAddress(url: string, allowPlainHttp: boolean): ProvisionResult {
  const { protocol, hostname } = new URL(url);
  if (LOOPBACK.test(hostname))
    return fail({
      code: 'program',
      message: `Machines in the cloud cannot reach this server, because its address is ${url}.`,
      remedy:
        'Set PUBLIC_URL to the address of this server on the internet, such as https://lablink.example.org.',
    });
  if (protocol === 'http:' && !allowPlainHttp)
    return fail({
      code: 'program',
      message: `The address of this server is ${url}. Machines would send their tokens, and participants their PINs, unencrypted.`,
      remedy: 'Set PUBLIC_URL to an https address or, for a trial, set ALLOW_PLAIN_HTTP=true.',
    });
  return succeed();
}

/** A private address can be reached only from its own network, which may or may not be the machines' network. */
export function isPrivateAddress(url: string): boolean {
  const { hostname } = new URL(url);
  return isIP(hostname) === 4 && PRIVATE.test(hostname);
}

async function checkCloud(
  { facts, machineTypes, amiId }: Omit<PreflightOptions, 'facts'> & { readonly facts: CloudFacts },
  { numVms, signal }: Wanted,
): Promise<ProvisionResult> {
  const [type = ''] = machineTypes;
  const [types, image] = await Promise.all([
    facts.describeTypes(machineTypes, signal),
    facts.image(amiId, signal),
  ]);
  const found = types.get(type);
  if (!found)
    return fail({
      code: 'program',
      message: `EC2 has no machine type ${type} in this region.`,
      remedy: 'Correct `machine_type`, or choose another region.',
    });
  if (!image)
    return fail({
      code: 'program',
      message: `The AMI ${amiId} does not exist in this region, or this account cannot use it.`,
      remedy: 'Correct `ami_id`: an AMI has a different id in each region.',
    });
  return checkQuota(facts, { type, vcpus: found.vcpus, numVms }, signal);
}

async function checkQuota(
  facts: Pick<CloudFacts, 'onDemandQuota'>,
  { type, vcpus, numVms }: { readonly type: string; readonly vcpus: number; readonly numVms: number },
  signal: AbortSignal,
): Promise<ProvisionResult> {
  const quota = quotaOf(type);
  const use = quota && (await facts.onDemandQuota(quota.family, signal));
  if (!quota || !use) return succeed();
  const needed = vcpus * numVms;
  const left = Math.max(0, use.limitVcpus - use.usedVcpus);
  if (needed <= left) return succeed();
  const possible = Math.floor(left / vcpus);
  const request = possible > 0 ? `Launch at most ${possible}, or request` : 'Request';
  return fail({
    code: 'quota',
    message: `${numVms} × ${type} need ${needed} vCPUs, but the account has ${left} left of its ${use.limitVcpus} (“${quota.name}”, ${quota.code}).`,
    remedy: `${request} a higher quota: Service Quotas, Amazon EC2, “${quota.name}”. \`lablink doctor --vms ${numVms}\` shows how many vCPUs to request.`,
  });
}
