// `lablink deploy` and `lablink destroy-deployment`: an allocator of its own instance on AWS. Both can be repeated: a deployment
// that exists is changed to what was asked for, and what is gone is no error.
import { randomBytes } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { describeFailure, fail, succeed, type Result } from '../../../result.ts';
import { programBeside } from '../../../process/program.ts';
import type { AllocatorSpec } from '../../../../infra/allocator-spec.ts';
import { allocatorUserData, settingsOf } from '../../../../infra/allocator-user-data.ts';
import { USER_DATA_LIMIT_BYTES } from '../../../../infra/user-data.ts';
import type { Deploy } from '../../definition.ts';
import { aws } from '../definition.ts';
import { checkInBucket } from '../bucket-check.ts';
import { createClients, type Clients } from '../clients.ts';
import { createCloud } from '../cloud.ts';
import { CloudError } from '../cloud-error.ts';
import { awsFolders, defaultLimits } from '../context.ts';
import { explainDeployment } from '../failure.ts';
import { toolFolders } from '../open.ts';
import { AWS_CLOUD, AWS_PLUGIN, pluginEnvironment } from '../pulumi.ts';
import type { RunFailure } from '../../engine/failure.ts';
import { createRedact, executeAndEmit, withEngine, type Engine, type EngineRun } from '../../engine/run.ts';
import { stateBackend } from '../../engine/state-backend.ts';
import { createToolFinder } from '../../engine/tools.ts';
import { readDeployOptions, readDestroyOptions, type DeployOptions, type DestroyOptions } from './options.ts';
import { createSite } from './site.ts';

const PROGRAM = programBeside(import.meta.url, '../../../../infra/allocator').href;

type Context = Parameters<Deploy>[1];

export const deploy: Deploy = async (args, context) => {
  const options = readDeployOptions(args, defaultsOf(context));
  if (!options.ok) return { text: `${options.failure}\n`, exit: 'usage' };
  const settings = readSettings(options.value, context);
  if (!settings.ok) return { text: `${settings.failure}\n`, exit: 'usage' };
  return answer(await deployAllocator(options.value, settings.value, context));
};

export const destroyDeployment: Deploy = async (args, context) => {
  const options = readDestroyOptions(args, defaultsOf(context));
  if (!options.ok) return { text: `${options.failure}\n`, exit: 'usage' };
  return answer(await destroyAllocator(options.value, context));
};

function defaultsOf({ config, env }: Context) {
  const region = config.aws.region ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? null;
  return { deployment: config.deployment.name, region };
}

function answer(result: Result<string, RunFailure>) {
  return result.ok
    ? ({ text: `${result.value}\n`, exit: 'ok' } as const)
    : ({ text: `${describeFailure(result.failure)}\n`, exit: 'failed' } as const);
}

type Settings = Pick<AllocatorSpec, 'stateBucket' | 'backupBucket' | 'logGroup'> & {
  readonly secrets: readonly string[];
};

/** Held to the rules of the program, so that an allocator that cannot start is not created. A failure is sentences about what is wrong. */
function readSettings(options: DeployOptions, context: Context): Result<Settings, string> {
  const { configFile, settings, domain, region } = options;
  const own = settingsOf({ ...options, provider: aws.name });
  const path = join(own['CONFIG_DIR'] ?? '', 'config.yaml');
  const read = context.readSettings(
    { ...settings, ...own, PUBLIC_URL: `https://${domain}` },
    configFile === '' ? {} : { [path]: configFile },
  );
  if (!read.ok)
    return fail(read.failure.map(({ key, message, remedy }) => `${key}: ${message} ${remedy}`).join('\n'));
  const { config, secrets } = read.value;
  if (config.aws.region !== undefined && config.aws.region !== region)
    return fail(`--region is ${region}, but app.region of the config file is ${config.aws.region}.`);
  const bytes = userDataBytes(options);
  if (bytes > USER_DATA_LIMIT_BYTES)
    return fail(
      `With these files the user data of the instance has ${bytes.toLocaleString('en-US')} bytes, but EC2 accepts ${USER_DATA_LIMIT_BYTES.toLocaleString('en-US')}: make the config file or the settings shorter.`,
    );
  return succeed({
    secrets,
    stateBucket: bucketOf(config.pulumi.backendUrl),
    backupBucket: bucketOf(config.backup.place),
    logGroup: config.aws.cloudInitLogGroup ?? null,
  });
}

/** With values as long as those that are not known yet. */
function userDataBytes(options: DeployOptions): number {
  const unknown = { dataVolumeId: 'vol-0123456789abcdef0', adminPassword: randomBytes(48).toString('hex') };
  const spec = { ...options, ...unknown, provider: aws.name };
  return Buffer.from(allocatorUserData(spec, '203.0.113.255'), 'base64').length;
}

function bucketOf(place: string | undefined): string | null {
  return place?.startsWith('s3://') === true ? new URL(place).hostname : null;
}

async function deployAllocator(
  options: DeployOptions,
  settings: Settings,
  context: Context,
): Promise<Result<string, RunFailure>> {
  const { deployment, region, domain } = options;
  const clients = createClients(region);
  const site = createSite(clients.ec2, deployment);
  return withPulumi(context, options, settings.secrets, async (run) => {
    const password = await adminPassword(context, deployment);
    if (!password.ok) return fail({ ...password.failure, code: 'program' as const });
    const spec = await composeSpec(options, settings, clients, password.value.value);
    context.say(`Creating or changing the allocator "${deployment}" in ${region} ...`);
    const made = await withEngine(run, (engine) => execute(run, engine, { kind: 'up', spec }));
    if (!made.ok) return made;
    const address = (await site.publicAddress()) ?? 'unknown';
    return succeed(
      [
        `The allocator "${deployment}" has the address ${address}.`,
        `1. In the DNS, let ${domain} lead to ${address}. The certificate follows within minutes.`,
        `2. Open https://${domain}/admin as "admin". ${password.value.path === null ? 'The password is ADMIN_PASSWORD.' : `The password is in ${password.value.path}.`}`,
        `Database, secrets and state are on the data volume ${spec.dataVolumeId}, which stays when the instance is replaced.`,
      ].join('\n'),
    );
  });
}

async function composeSpec(
  options: DeployOptions,
  { stateBucket, backupBucket, logGroup }: Settings,
  clients: Clients,
  adminPassword: string,
): Promise<AllocatorSpec> {
  const { deployment, region, domain, image, instanceType, configFile, settings, sessions } = options;
  const cloud = createCloud({ region, uid: 'none' });
  const site = createSite(clients.ec2, deployment);
  const { account, arn } = await cloud.caller();
  const network = await cloud.network({});
  const amiId = await site.image(options.amiId);
  const volume = await site.volume(network, options.diskGb);
  const subnet = network.subnets.find(({ zone, isPublic }) => isPublic && zone === volume.zone);
  if (!subnet)
    throw new CloudError(
      {
        code: 'program',
        message: `The data volume is in ${volume.zone}, where ${network.vpcId} has no public subnet.`,
        remedy: 'Create a public subnet there.',
      },
      '',
    );
  return {
    ...{ deployment, region, domain, image, instanceType, configFile, adminPassword, amiId, account },
    ...{ settings, sessions, stateBucket, backupBucket, logGroup },
    provider: aws.name,
    partition: arn.split(':')[1] ?? 'aws',
    vpcId: network.vpcId,
    subnetId: subnet.subnetId,
    dataVolumeId: volume.id,
  };
}

async function destroyAllocator(
  options: DestroyOptions,
  context: Context,
): Promise<Result<string, RunFailure>> {
  const { deployment, region, deletesData } = options;
  const site = createSite(createClients(region).ec2, deployment);
  return withPulumi(context, options, [], async (run) => {
    const machines = await site.countMachines();
    if (machines > 0)
      return fail({
        code: 'busy',
        message: `${machines} machines of the allocator "${deployment}" still exist: without it nobody could collect files from them or destroy them.`,
        remedy: 'Destroy all machines on its admin pages first.',
      });
    context.say(`Destroying the allocator "${deployment}" in ${region} ...`);
    const gone = await withEngine(run, async (engine) =>
      engine.state === null ? succeed(null) : execute(run, engine, { kind: 'destroy' }),
    );
    if (!gone.ok) return gone;
    const left = await site.leftovers();
    if (left.length > 0)
      return fail({
        code: 'engine',
        message: `AWS still has ${left.join(', ')} of the allocator "${deployment}", of which the state in ${run.context.backend.backendUrl} knows nothing.`,
        remedy: 'Run this command where the allocator was deployed, or delete them in the console of AWS.',
      });
    const volumes = await site.listVolumes();
    if (deletesData) for (const id of volumes) await site.deleteVolume(id);
    return succeed(
      [
        `The allocator "${deployment}" is gone.`,
        ...volumes.map((id) =>
          deletesData
            ? `Its data volume ${id} has been deleted.`
            : `Its data volume ${id} stays, and costs money. \`lablink deploy\` uses it again; --delete-data deletes it.`,
        ),
      ].join('\n'),
    );
  });
}

async function execute(
  run: EngineRun,
  engine: Engine,
  command: { kind: 'up'; spec: unknown } | { kind: 'destroy' },
) {
  const action = command.kind === 'up' ? 'create' : 'delete';
  return (await executeAndEmit(run, engine, command, action, () => Promise.resolve())).result;
}

/** Opens nothing: composes what a run of Pulumi needs, and returns errors of AWS as failures. */
async function withPulumi<T>(
  context: Context,
  { deployment, region }: { readonly deployment: string; readonly region: string },
  secrets: readonly string[],
  use: (run: EngineRun) => Promise<Result<T, RunFailure>>,
): Promise<Result<T, RunFailure>> {
  const { config, env, say } = context;
  const folder = deploymentFolder(context, deployment);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const folders = awsFolders(await realpath(resolve(context.dataDir)));
  const tools = await createToolFinder(toolFolders(config.pulumi.cliDir, env, folders), AWS_PLUGIN)();
  if (!tools.ok) return tools;
  const kept = await context.keptSecret(folder, 'pulumi-passphrase');
  if (!kept.ok) return fail({ ...kept.failure, code: 'program' as const });
  const passphrase = config.pulumi.passphrase ?? kept.value.value;
  const never = new AbortController().signal;
  const run: EngineRun = {
    context: {
      backend: stateBackend({
        backendUrl: config.pulumi.backendUrl,
        secretsProvider: config.pulumi.secretsProvider,
        deployment: { name: 'allocators', environment: deployment },
        folder: join(folder, 'state'),
        root: folder,
        passphrase,
        checkInCloud: checkInBucket,
      }),
      folders,
      env,
      host: hostname(),
      now: () => new Date(),
      limits: defaultLimits,
    },
    pulumi: { cloud: { ...AWS_CLOUD, program: PROGRAM }, explain: explainDeployment },
    pluginEnv: pluginEnvironment(region),
    cliRoot: tools.value.cliRoot,
    cancelSignal: context.cancelSignal,
    killSignal: never,
    emit: ({ text }) => say(text),
    redact: createRedact([passphrase, ...secrets]),
  };
  try {
    return await use(run);
  } catch (error) {
    if (error instanceof CloudError) return fail(error.failure);
    throw error;
  }
}

function deploymentFolder({ dataDir }: Context, deployment: string): string {
  return join(resolve(dataDir), 'deployments', deployment);
}

/** ADMIN_PASSWORD, or one that is made once. */
async function adminPassword(context: Context, deployment: string) {
  const given = context.config.admin.password;
  if (given !== undefined) return succeed({ value: given, path: null });
  return context.keptSecret(deploymentFolder(context, deployment), 'admin-password');
}
