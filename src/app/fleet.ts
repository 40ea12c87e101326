// Where machines come from, and the operations that create and destroy them.
import { randomBytes, randomUUID } from 'node:crypto';
import { recordSshAddress } from '../db/vm-rows.ts';
import { markFailed } from '../db/reports.ts';
import { createExternalProvider } from '../provision/external-provider.ts';
import { createLocalProvider } from '../provision/local/local-provider.ts';
import { createOperationService, type OperationService } from '../provision/operation-service.ts';
import type { Provider } from '../provision/provider.ts';
import type { Data } from './data.ts';
import type { Identity } from './identity.ts';
import type { AppContext } from './context.ts';

type Dependencies = { readonly data: Data } & Pick<Identity, 'sshKey' | 'forwarderToken'>;

/**
 * Started when the server listens, because machines call it.
 * @param url where machines reach this server
 */
export async function createFleet(
  context: AppContext,
  dependencies: Dependencies,
  url: () => string,
): Promise<OperationService> {
  const { config, log } = context;
  const { data } = dependencies;
  const { db, connectionString } = data.database;
  return createOperationService({
    db,
    connectionString,
    provider: context.provider ?? (await createProvider(context, dependencies, url)),
    ...(context.operationIntervals && { intervals: context.operationIntervals }),
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
  context: AppContext,
  dependencies: Dependencies,
  url: () => string,
): Promise<Provider> {
  const { config, log } = context;
  const { data, sshKey } = dependencies;
  if (config.provider === 'external') return createExternalProvider();
  if (config.provider === 'aws') {
    // Loaded only where it is used, because the clients of AWS are large.
    const { openAwsProvider } = await import('./aws.ts');
    return openAwsProvider(context, data, dependencies);
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
    onMoved: (hostname, reach) => recordSshAddress(db, hostname, reach),
  });
}
