// Where machines come from, and the operations that create and destroy them.
import { randomBytes, randomUUID } from 'node:crypto';
import { variableNames } from '../config/read.ts';
import { createOperationService, type OperationService } from '../provision/operation-service.ts';
import type { Provider } from '../provision/provider.ts';
import { loadProvider } from '../provision/providers.ts';
import type { Data } from './data.ts';
import { deploymentUid, keptSecret, type Identity } from './identity.ts';
import { clockOf, required, type AppContext } from './context.ts';

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
    provider: context.provider ?? (await openProvider(context, dependencies, url)),
    ...(context.operationIntervals && { intervals: context.operationIntervals }),
    deployment: config.deployment,
    rules: {
      hours: config.launch.hours ?? null,
      canary: { above: config.launch.canaryAbove ?? null, limitMs: config.launch.canaryLimitMs },
    },
    alone: data.alone,
    log,
    now: clockOf(context),
    randomUuid: () => randomUUID(),
    randomBytes: (count) => randomBytes(count),
  });
}

/** Loads the code of the configured provider only, because the clients of clouds are large. */
async function openProvider(
  { config, env, self, log, providerLimits }: AppContext,
  { data, sshKey, forwarderToken }: Dependencies,
  listenUrl: () => string,
): Promise<Provider> {
  const open = required(await loadProvider(config.provider));
  const opened = await open({
    config,
    dataDir: data.dataDir,
    db: data.database.db,
    log,
    env: programEnvironment(env),
    hostName: self.host,
    sshKey,
    forwarderToken,
    listenUrl,
    deploymentUid: (ofState) => deploymentUid(data, ofState),
    keptSecret: (name) => keptSecret(data.dataDir, name),
    limits: providerLimits ?? {},
  });
  return { ...opened, name: config.provider };
}

/** The environment of programs that a provider starts: all but our own variables; those of clouds, proxies and networks are theirs too. */
export function programEnvironment(env: AppContext['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      value === undefined || variableNames.includes(name) ? [] : [[name, value]],
    ),
  );
}
