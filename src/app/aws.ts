// The provider of machines on AWS, composed: what the configuration says, what the data folder keeps, what our records
// know of machines.
import { mkdir, realpath } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { recordReach } from '../db/fleet.ts';
import { readReach } from '../db/reach.ts';
import { standingOf, type LaunchedMachine } from '../db/standing.ts';
import { createAwsProvider } from '../provision/aws/aws-provider.ts';
import { createCloud, type CloudMachine } from '../provision/aws/cloud.ts';
import { createParts } from '../provision/aws/parts/parts.ts';
import { awsPlaces, type AwsPlaces } from '../provision/aws/places.ts';
import { createPreflight } from '../provision/aws/preflight.ts';
import { rememberFacts } from '../provision/aws/remembered.ts';
import { SSH_USER } from '../provision/aws/reach.ts';
import { createRearm } from '../provision/aws/rearm.ts';
import { logGroupOf, readSettings, type AwsConfig } from '../provision/aws/settings.ts';
import { createRecentMachines, defaultLimits } from '../provision/aws/site.ts';
import { statePlace } from '../provision/aws/state-place.ts';
import { createToolFinder } from '../provision/aws/tools.ts';
import type { Provider } from '../provision/provider.ts';
import { loadOrCreateSecret } from '../secrets.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import type { Data } from './data.ts';
import { deploymentUid } from './deployment-uid.ts';
import { forwarderToken } from './forwarder-token.ts';
import { engineEnvironment, toolPlaces } from './engine-environment.ts';
import { StartRefused, type Environment } from './environment.ts';

const SECRET_BYTES = 32;

export async function openAwsProvider(
  environment: Environment,
  data: Data,
  sshKey: SshKeyPair,
): Promise<Provider> {
  const { config, log, self } = environment;
  const { db } = data.database;
  const places = await preparePlaces(data.dataDir);
  const secret = secretIn(data.dataDir);
  const passphrase = config.pulumi.passphrase ?? (await secret('pulumi-passphrase', SECRET_BYTES));
  const uid = await deploymentUid(data);
  const { deployment } = config;
  const limits = { ...defaultLimits, ...environment.awsLimits };
  const tags = { deployment: deployment.name, uid, environment: deployment.environment };
  const cloud = oncePer((region) => createCloud({ region, tags }));
  const facts = oncePer((region) => rememberFacts(cloud(region), () => performance.now()));
  const { publicKey: sshPublicKey } = sshKey;
  const aws = awsConfig(config);
  const owner = { deployment, uid, sshPublicKey, logGroup: logGroupOf(aws) };
  return createAwsProvider({
    places,
    state: statePlace({
      backendUrl: config.pulumi.backendUrl,
      secretsProvider: config.pulumi.secretsProvider,
      deployment,
      folder: places.state,
      root: places.root,
      passphrase,
    }),
    tools: createToolFinder(toolPlaces(environment, places)),
    settings: () => readSettings(aws),
    region: config.aws.region,
    graceMinutes: config.machine.graceMinutes,
    cloud,
    facts,
    parts: oncePer((region) => createParts({ region, ...owner })),
    deployment,
    uid,
    sshPublicKey,
    forwarderToken: (await forwarderToken(config, data.dataDir)) ?? '',
    env: engineEnvironment(environment.env),
    standing: (machines) => standingOf(db, machines.map(launchedMachine)),
    preflight: (settings, wanted) =>
      createPreflight({
        cloud: facts(settings.region),
        allocatorUrl: settings.url,
        allowPlainHttp: config.launch.allowPlainHttp,
        machineTypes: settings.types,
        amiId: settings.amiId,
      })(wanted),
    rescheduleShutdown: rearmOf(data, sshKey),
    host: self.host,
    now: () => new Date(),
    limits,
    recent: createRecentMachines(limits.listDelayMs, () => new Date()),
    log,
  });
}

function rearmOf(
  { database: { db } }: Data,
  { privateKey }: SshKeyPair,
): NonNullable<Provider['rescheduleShutdown']> {
  return createRearm({
    reachOf: (hostname) => readReach(db, hostname),
    privateKey,
    defaultUser: SSH_USER,
    onHostKey: (hostname, sshHostKey) => recordReach(db, hostname, { sshHostKey }),
  });
}

/** A client is kept, with its connections: a new one takes a moment. */
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

async function preparePlaces(dataDir: string): Promise<AwsPlaces> {
  const places = awsPlaces(await realpath(dataDir));
  // A folder that cannot be made is told of by the first launch.
  await mkdir(places.root, { recursive: true, mode: 0o700 }).catch(() => undefined);
  return places;
}

function secretIn(dataDir: string): (name: string, bytes: number) => Promise<string> {
  return async (name, bytes) => {
    const secret = await loadOrCreateSecret({ dataDir, name, bytes });
    if (!secret.ok) throw new StartRefused(secret.fault.problem, secret.fault.remedy);
    return secret.value;
  };
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
