// Where machines come from, and the operations that make and end them.
import { randomBytes, randomUUID } from 'node:crypto';
import { recordReach } from '../db/fleet.ts';
import { markFailed } from '../db/reports.ts';
import { createExternalProvider } from '../provision/external.ts';
import { createLocalProvider } from '../provision/local/local-provider.ts';
import { createOperations, type Operations } from '../provision/operations.ts';
import type { Provider } from '../provision/provider.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import type { Data } from './data.ts';
import type { Environment } from './environment.ts';

type FleetParts = { readonly data: Data; readonly sshKey: SshKeyPair };

/** Made here, started when the server listens: machines call it. @param url where machines reach this server */
export async function createFleet(
  environment: Environment,
  { data, sshKey }: FleetParts,
  url: () => string,
): Promise<Operations> {
  const { config, log } = environment;
  const { db, connectionString } = data.database;
  return createOperations({
    db,
    connectionString,
    provider: environment.provider ?? (await createProvider(environment, { data, sshKey }, url)),
    ...(environment.operationIntervals && { intervals: environment.operationIntervals }),
    deployment: config.deployment,
    rules: {
      hours: config.launch.hours ?? null,
      canary: { above: config.launch.canaryAbove ?? null, limitMs: config.launch.canaryLimitMs },
    },
    alone: data.alone,
    log,
    now: () => new Date(),
    randomUuid: () => randomUUID(),
    randomBytes: (count) => randomBytes(count),
  });
}

async function createProvider(
  environment: Environment,
  { data, sshKey }: FleetParts,
  url: () => string,
): Promise<Provider> {
  const { config, log } = environment;
  if (config.provider === 'external') return createExternalProvider();
  if (config.provider === 'aws') {
    // Loaded only where it is used: the clients of AWS are large.
    const { openAwsProvider } = await import('./aws.ts');
    return openAwsProvider(environment, data, sshKey);
  }
  const { dataDir } = data;
  const { db } = data.database;
  return createLocalProvider({
    dataDir,
    allocatorUrl: url,
    authorizedKey: sshKey.publicKey,
    software: config.machine.software ?? null,
    log,
    onLost: async (hostname, reason) => {
      log.error({ hostname }, `A local VM is lost. ${reason}`);
      await markFailed(db, hostname);
    },
    onMoved: (hostname, reach) => recordReach(db, hostname, reach),
  });
}
