// Composes the AWS provider from the configuration, the data folder and the database; and what `lablink setup` shares
// with it.
import { mkdir, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { variableNames } from '../config/read.ts';
import { readSshAddress, recordSshAddress } from '../db/vm-rows.ts';
import { launchRecordsOf, type LaunchedMachine } from '../db/launch-records.ts';
import { createAwsProvider } from '../provision/aws/aws-provider.ts';
import { cacheFacts } from '../provision/aws/cached-facts.ts';
import { createCloud, SSH_USER, type CloudMachine } from '../provision/aws/cloud.ts';
import {
  awsFolders,
  createRecentMachines,
  defaultLimits,
  type AwsFolders,
} from '../provision/aws/context.ts';
import { checkInBucket } from '../provision/aws/bucket-check.ts';
import { AWS_PLUGIN } from '../provision/aws/pulumi.ts';
import { createPreflight } from '../provision/aws/preflight.ts';
import { createRescheduleShutdown } from '../provision/aws/reschedule-shutdown.ts';
import { logGroupOf, readSettings, type AwsConfig } from '../provision/aws/settings.ts';
import { createSharedResources } from '../provision/aws/shared-resources/shared-resources.ts';
import { stateBackend } from '../provision/engine/state-backend.ts';
import { createToolFinder, type ToolFolders } from '../provision/engine/tools.ts';
import type { Provider } from '../provision/provider.ts';
import type { AppContext } from './context.ts';
import type { Data } from './data.ts';
import { deploymentUid, keptSecret, type Identity } from './identity.ts';

export async function openAwsProvider(
  context: AppContext,
  data: Data,
  { sshKey, forwarderToken }: Pick<Identity, 'sshKey' | 'forwarderToken'>,
): Promise<Provider> {
  const { config, log, self } = context;
  const { db } = data.database;
  const folders = await prepareFolders(data.dataDir);
  const passphrase = config.pulumi.passphrase ?? (await keptSecret(data.dataDir, 'pulumi-passphrase'));
  const uid = await deploymentUid(data);
  const { deployment } = config;
  const limits = { ...defaultLimits, ...context.awsLimits };
  const cloud = oncePer((region) => createCloud({ region, uid }));
  const cachedFacts = oncePer((region) => cacheFacts(cloud(region), () => performance.now()));
  const { publicKey: sshPublicKey } = sshKey;
  const aws = awsConfig(config);
  const owner = { deployment, uid, sshPublicKey, logGroup: logGroupOf(aws) };
  return createAwsProvider({
    folders,
    backend: stateBackend({
      backendUrl: config.pulumi.backendUrl,
      secretsProvider: config.pulumi.secretsProvider,
      deployment,
      folder: folders.state,
      root: folders.root,
      passphrase,
      checkInCloud: checkInBucket,
    }),
    findTools: createToolFinder(toolFolders(context, folders), AWS_PLUGIN),
    readSettings: () => readSettings(aws),
    region: config.aws.region,
    graceMinutes: config.machine.graceMinutes,
    cloud,
    cachedFacts,
    sharedResources: oncePer((region) => createSharedResources({ region, ...owner })),
    deployment,
    uid,
    sshPublicKey,
    forwarderToken: forwarderToken ?? '',
    env: engineEnvironment(context.env),
    launchRecords: (machines) => launchRecordsOf(db, machines.map(launchedMachine)),
    preflight: (settings, wanted) =>
      createPreflight({
        facts: cachedFacts(settings.region),
        allocatorUrl: settings.url,
        allowPlainHttp: config.launch.allowPlainHttp,
        machineTypes: settings.types,
        amiId: settings.amiId,
      })(wanted),
    rescheduleShutdown: rescheduleShutdownOf(data, sshKey),
    host: self.host,
    now: () => new Date(),
    limits,
    recentMachines: createRecentMachines(limits.listDelayMs, () => new Date()),
    log,
  });
}

function rescheduleShutdownOf(
  { database: { db } }: Data,
  { privateKey }: Identity['sshKey'],
): NonNullable<Provider['rescheduleShutdown']> {
  return createRescheduleShutdown({
    reachOf: (hostname) => readSshAddress(db, hostname),
    privateKey,
    defaultUser: SSH_USER,
    onHostKey: (hostname, sshHostKey) => recordSshAddress(db, hostname, { sshHostKey }),
  });
}

/** Keeps one client per region, because a new one takes a moment to connect. */
function oncePer<T>(make: (region: string) => T): (region: string) => T {
  const made = new Map<string, T>();
  return (region) => {
    const value = made.get(region) ?? make(region);
    made.set(region, value);
    return value;
  };
}

function launchedMachine({ instanceId, hostname, launchId }: CloudMachine): LaunchedMachine {
  return { id: instanceId, hostname, launchId };
}

async function prepareFolders(dataDir: string): Promise<AwsFolders> {
  const folders = awsFolders(await realpath(dataDir));
  // If the folder cannot be created, the first launch reports it.
  await mkdir(folders.root, { recursive: true, mode: 0o700 }).catch(() => undefined);
  return folders;
}

/** Where the program of the engine is looked for. */
export function toolFolders(
  { config, env }: Pick<AppContext, 'config' | 'env'>,
  folders: AwsFolders,
): ToolFolders {
  const { cliDir } = config.pulumi;
  return {
    configured: cliDir === undefined ? undefined : resolve(cliDir),
    own: folders.cli,
    pulumiHome: folders.pulumiHome,
    path: env['PATH'] ?? '',
  };
}

/** The environment of the engine: all but our own variables; those of clouds, proxies and networks are the engine's too. */
export function engineEnvironment(env: AppContext['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || variableNames.includes(name) ? [] : [[name, value]],
    ),
  );
}

function awsConfig(config: Config): AwsConfig {
  const { aws, machine, server, startupScript, deployment, configFile } = config;
  return {
    region: aws.region,
    allocatorPublicIp: aws.allocatorPublicIp,
    logGroup: aws.cloudInitLogGroup,
    publicUrl: server.publicUrl,
    deployment,
    machine,
    startupScript,
    configDir: configFile?.dir,
  };
}
