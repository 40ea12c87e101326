// Whose the state is, and where its machines are. Uid, region and account stand next to the state and in the database: so a
// lost database finds its machines again, and another database, region or account is noticed before anything is changed.
import type { Place } from '../../db/identity.ts';
import { fail, succeed, type Result } from '../../result.ts';
import { namesOrCount } from '../../vms/operation.ts';
import type { ProvisionFailure } from '../provider.ts';
import type { RunFailure } from '../engine/failure.ts';
import { CloudError } from './cloud-error.ts';
import type { AwsContext } from './context.ts';
import type { Cloud } from './cloud.ts';
import type { AwsSettings } from './settings.ts';

/**
 * The region of the machines: that of the last launch while machines exist there, otherwise the configured one. Throws
 * CloudError if the credentials are of another account than the machines: it would list none of them.
 */
export async function regionOfMachines(
  context: Pick<AwsContext, 'place' | 'cloud'>,
  configured: string | undefined,
): Promise<string | null> {
  const last = await context.place.read();
  if (last === null) return configured ?? null;
  const cloud = context.cloud(last.region);
  if (last.hasVms) await checkAccount(cloud, last);
  if (last.region === configured) return configured;
  const hasMachines = last.hasVms || (await livingNames(cloud)).length > 0;
  return hasMachines ? last.region : (configured ?? null);
}

async function checkAccount(cloud: Cloud, { account }: Place): Promise<void> {
  const caller = await cloud.caller();
  if (caller.account === account) return;
  throw new CloudError(
    {
      code: 'credentials',
      message: `The machines of this deployment are in the AWS account ${account}, but the credentials are of ${caller.account}. Nothing was changed.`,
      remedy: `Give the server credentials of ${account}, at least until all machines are destroyed.`,
    },
    'AnotherAccount',
  );
}

async function livingNames(cloud: Cloud): Promise<string[]> {
  const machines = await cloud.listMachines();
  return machines.flatMap(({ state, hostname, instanceId }) =>
    state === 'shutting-down' ? [] : [hostname ?? instanceId],
  );
}

/** Before a launch: machines of this deployment must not live elsewhere. @param region of the machines */
export async function checkPlace(
  context: Pick<AwsContext, 'place' | 'cloud'>,
  settings: AwsSettings,
  region: string,
): Promise<Result<undefined, ProvisionFailure>> {
  if (region === settings.region) return succeed();
  const names = await livingNames(context.cloud(region));
  return fail({
    code: 'program',
    message: `The configuration names the region ${settings.region}, but machines of this deployment run in ${region}: ${namesOrCount(names)}. All machines must be in one region.`,
    remedy: `Set app.region to ${region} and restart the server, or destroy all machines before you change the region; they are still listed and destroyed in ${region}.`,
  });
}

/** Whether the state is ours, or nobody's. */
export async function checkOwner({ owner, uid }: AwsContext): Promise<Result<undefined, RunFailure>> {
  const found = await owner.read();
  if (found === null || found.uid === uid) return succeed();
  return fail({
    code: 'program',
    message:
      'The Pulumi state belongs to another database: its machines have another uid. Nothing was changed.',
    remedy:
      'Use that database (DATABASE_URL, DATA_DIR), or another state (PULUMI_BACKEND_URL) or deployment name. If that database is lost, start with a new one: it takes the state over.',
  });
}

/** Before a launch changes anything: records whose the state is and where its machines will be. */
export async function recordPlaceOfLaunch(
  { owner, place, uid, cloud }: AwsContext,
  region: string,
): Promise<void> {
  const { account } = await cloud(region).caller();
  const found = await owner.read();
  if (found?.region !== region || found.account !== account) await owner.write({ uid, region, account });
  await place.record({ region, account });
}
