// Composes the AWS provider from what the server offers; and what `lablink setup` shares with it.
import { mkdir, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { listVmRows, readSshAddress, recordSshAddress } from '../../db/vm-rows.ts';
import { machineLogGroup } from '../../../infra/names.ts';
import { readPlace, recordPlace } from '../../db/identity.ts';
import { knownOperations } from '../../db/operations.ts';
import type { ProviderHost } from '../host.ts';
import type { OpenProvider } from '../provider.ts';
import { createAwsProvider } from './aws-provider.ts';
import { cacheFacts } from './cached-facts.ts';
import { createCloud, SSH_USER } from './cloud.ts';
import { awsFolders, createRecentMachines, defaultLimits, type AwsFolders } from './context.ts';
import { checkInBucket } from './bucket-check.ts';
import { ownerStore, type OwnerStore } from './state-owner.ts';
import { createPreflight } from './preflight.ts';
import { AWS_PLUGIN } from './pulumi.ts';
import { createRescheduleShutdown } from './reschedule-shutdown.ts';
import { readSettings, type AwsConfig } from './settings.ts';
import { createSharedResources } from './shared-resources/shared-resources.ts';
import { stateBackend } from '../engine/state-backend.ts';
import { createToolFinder, type ToolFolders } from '../engine/tools.ts';

/** The part of the configuration that this provider uses. */
type Config = Pick<AwsConfig, 'machine' | 'startupScript' | 'deployment'> & {
  readonly aws: {
    readonly region: string | undefined;
    readonly allocatorPublicIp: string | undefined;
    readonly cloudInitLogGroup: string | undefined;
  };
  readonly pulumi: {
    readonly backendUrl: string | undefined;
    readonly passphrase: string | undefined;
    readonly secretsProvider: string | undefined;
    readonly cliDir: string | undefined;
  };
  readonly server: { readonly publicUrl: string | undefined };
  readonly launch: { readonly allowPlainHttp: boolean };
  readonly configFile: { readonly dir: string } | undefined;
};

export async function openAwsProvider(host: ProviderHost<Config>): Promise<OpenProvider> {
  const { config, log, db, forwarderToken, sshKey } = host;
  const folders = await prepareFolders(host.dataDir);
  const passphrase = config.pulumi.passphrase ?? (await host.keptSecret('pulumi-passphrase'));
  const { deployment } = config;
  const backend = stateBackend({
    backendUrl: config.pulumi.backendUrl,
    secretsProvider: config.pulumi.secretsProvider,
    deployment,
    folder: folders.state,
    root: folders.root,
    passphrase,
    checkInCloud: checkInBucket,
  });
  const ownerName = `lablink-owner.${backend.project}.${deployment.environment}`;
  const owner = ownerStore(backend.backendUrl, backend.stackFile, folders.root, ownerName);
  const uid = await host.deploymentUid(await uidOfState(owner, log));
  const limits = { ...defaultLimits, ...host.limits };
  const cloud = oncePer((region) => createCloud({ region, uid }));
  const cachedFacts = oncePer((region) => cacheFacts(cloud(region), () => performance.now()));
  const { publicKey: sshPublicKey } = sshKey;
  const aws = awsConfig(config, uid);
  const shared = { deployment, uid, sshPublicKey, logGroup: aws.logGroup };
  return createAwsProvider({
    folders,
    backend,
    owner,
    findTools: createToolFinder(toolFolders(config.pulumi.cliDir, host.env, folders), AWS_PLUGIN),
    readSettings: () => readSettings(aws),
    region: config.aws.region,
    graceMinutes: config.machine.graceMinutes,
    cloud,
    cachedFacts,
    sharedResources: oncePer((region) => createSharedResources({ region, ...shared })),
    deployment,
    uid,
    sshPublicKey,
    forwarderToken: forwarderToken ?? '',
    env: host.env,
    records: async () => ({ operations: await knownOperations(db), rows: await listVmRows(db) }),
    place: { read: () => readPlace(db, 'aws'), record: (place) => recordPlace(db, place) },
    preflight: (settings, wanted) =>
      createPreflight({
        facts: cachedFacts(settings.region),
        allocatorUrl: settings.url,
        allowPlainHttp: config.launch.allowPlainHttp,
        machineTypes: settings.types,
        amiId: settings.amiId,
      })(wanted),
    rescheduleShutdown: rescheduleShutdownOf(host),
    host: host.hostName,
    now: () => new Date(),
    limits,
    recentMachines: createRecentMachines(limits.listDelayMs, () => new Date()),
    log,
  });
}

function rescheduleShutdownOf({
  db,
  sshKey: { privateKey },
}: ProviderHost): NonNullable<OpenProvider['rescheduleShutdown']> {
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

/** Null if there is none, or if the state cannot be reached now: then a run compares it again. */
async function uidOfState(owner: OwnerStore, log: ProviderHost['log']): Promise<string | null> {
  try {
    return (await owner.read())?.uid ?? null;
  } catch (error) {
    log.warn({ err: error }, 'The owner of the Pulumi state could not be read.');
    return null;
  }
}

async function prepareFolders(dataDir: string): Promise<AwsFolders> {
  const folders = awsFolders(await realpath(dataDir));
  // If the folder cannot be created, the first launch reports it.
  await mkdir(folders.root, { recursive: true, mode: 0o700 }).catch(() => undefined);
  return folders;
}

/** Where the program of the engine is looked for. */
export function toolFolders(
  cliDir: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  folders: AwsFolders,
): ToolFolders {
  return {
    configured: cliDir === undefined ? undefined : resolve(cliDir),
    own: folders.cli,
    pulumiHome: folders.pulumiHome,
    path: env['PATH'] ?? '',
  };
}

function awsConfig(config: Config, deploymentUid: string): AwsConfig {
  const { aws, machine, server, startupScript, deployment, configFile } = config;
  return {
    region: aws.region,
    allocatorPublicIp: aws.allocatorPublicIp,
    logGroup:
      aws.cloudInitLogGroup ??
      machineLogGroup({ deployment: deployment.name, environment: deployment.environment, deploymentUid }),
    publicUrl: server.publicUrl,
    deployment,
    machine,
    startupScript,
    configDir: configFile?.dir,
  };
}
