// The handlers, and the HTTP application over them.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Config } from '../config.ts';
import { databaseProblem } from '../db/errors.ts';
import { checkDatabase } from '../db/health.ts';
import { createVmFeed } from '../delivery/vm-feed.ts';
import { createHandlers } from '../handlers/all.ts';
import { createAuthenticator } from '../handlers/authenticate.ts';
import { createLogKeeper } from '../handlers/logs.ts';
import type { HealthCheck } from '../handlers/system.ts';
import { createHttpApp, type HttpApp } from '../http/app.ts';
import { renderProblem } from '../pages/problem.ts';
import type { Operations } from '../provision/operations.ts';
import { deriveKey, type AdminCredentials } from '../secrets.ts';
import type { Collecting } from './collect.ts';
import type { Data } from './data.ts';
import type { Delivery } from './delivery.ts';
import type { Environment } from './environment.ts';

export type WebParts = {
  readonly data: Data;
  readonly delivery: Delivery;
  readonly operations: Operations;
  readonly collecting: Collecting;
  readonly admin: AdminCredentials;
  readonly secretKey: string;
  readonly forwarderToken: string | undefined;
  readonly isStopping: () => boolean;
};

/** Names the key's use and version: another name makes every browser a new one. */
const COOKIE_KEY = 'browser-cookie/1';
const CONTRACT = new URL('../../openapi.yaml', import.meta.url);
/** Made by `make agent`. */
const AGENT_FOLDER = new URL('../../dist/agent/', import.meta.url);

export async function createWebApp({ config, log }: Environment, parts: WebParts): Promise<HttpApp> {
  const { db } = parts.data.database;
  const contractYaml = await readFile(CONTRACT, 'utf8');
  const contract = parseContract(contractYaml);
  return createHttpApp({
    document: contract,
    handlers: createHandlers({
      ...taken(config),
      ...parts.collecting,
      db,
      desk: parts.delivery.desk,
      logs: createLogKeeper(db, config.limits.logBytesPerVm),
      operations: parts.operations,
      vmFeed: createVmFeed({
        db,
        nowMs: () => performance.now(),
        onError: (error, doing) => log.warn({ err: error }, `An error while ${doing}; it is tried again.`),
      }),
      checks: healthChecks(parts),
      contractYaml,
      contract,
    }),
    authenticate: createAuthenticator({
      db,
      admin: parts.admin,
      registrationToken: config.tokens.registration,
      forwarderToken: parts.forwarderToken,
    }),
    vmAuth: config.vmAuth,
    browserCookie: { key: deriveKey(parts.secretKey, COOKIE_KEY), secure: config.server.secureCookies },
    pages: {
      error: ({ problem, endpointId }) =>
        renderProblem(problem, { endpointId, form: null, workshop: config.workshop }),
      form: ({ problem, endpointId, values }) =>
        renderProblem(problem, { endpointId, form: values, workshop: config.workshop }),
    },
    trustProxy: config.server.trustProxy,
    publicUrl: config.server.publicUrl,
    requestsPerMinute: config.limits.requestsPerMinute,
    log,
    logRequests: config.logRequests,
    responseFaults: config.responseFaults,
    isStopping: parts.isStopping,
    classifyError: databaseProblem,
  });
}

/** What the handlers take from the configuration and from the process. */
function taken(config: Config) {
  return {
    bornAs: config.provider === 'aws' ? ('aws' as const) : ('external' as const),
    workshop: config.workshop,
    now: () => new Date(),
    codeLifetimeMs: config.limits.codeLifetimeMs,
    deadlines: config.limits.deadlines,
    channel: config.notifyChannel,
    maxVmsPerLaunch: config.limits.vmsPerLaunch,
    agentFolder: fileURLToPath(AGENT_FOLDER),
    randomInt: (below: number) => randomInt(below),
    randomUuid: () => randomUUID(),
    randomBytes: (count: number) => randomBytes(count),
  };
}

function healthChecks({ data, delivery, operations }: WebParts): HealthCheck[] {
  const away = 'The connection that hears of assignments is away; it reconnects by itself.';
  return [
    { name: 'database', check: () => checkDatabase(data.database.db) },
    { name: 'listener', check: () => Promise.resolve(delivery.listener.connected ? null : away) },
    ...operations.checks,
  ];
}

function parseContract(yaml: string): Record<string, unknown> {
  const document: unknown = parse(yaml);
  if (typeof document !== 'object' || document === null) throw new Error('openapi.yaml is not an object');
  return { ...document };
}
