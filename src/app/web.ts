// The handlers, and the HTTP application that serves them.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Config } from '../config.ts';
import { databaseProblem } from '../db/errors.ts';
import { checkDatabase } from '../db/health.ts';
import type { Db } from '../db/connect.ts';
import type { Settings } from '../db/settings.ts';
import { shareSizes } from '../db/shares.ts';
import { createVmFeed, type VmFeed } from '../delivery/vm-feed.ts';
import { createHandlers } from '../handlers/index.ts';
import { createAuthenticator } from '../auth/authenticate.ts';
import {
  createLogLimiter,
  createLogQueue,
  type LogQueue,
  type LogQueueOptions,
} from '../handlers/log-intake.ts';
import type { HealthCheck } from '../handlers/system.ts';
import { createHttpApp, type HttpApp } from '../http/app.ts';
import { isEndless } from '../http/context.ts';
import type { HttpOptions } from '../http/options.ts';
import { createValidator } from '../http/validator.ts';
import type { CodeLimit } from '../http/code-limit.ts';
import type { PinLimit } from '../http/pin-limit.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { renderProblem } from '../pages/problem.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { definitionOf, registeredProvider } from '../provision/providers.ts';
import type { ScheduleClock } from '../schedule/clock.ts';
import { deriveKey } from '../secrets.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { clockOf, type AppContext } from './context.ts';
import { backupChecks } from './backup-health.ts';
import { auditFailedLogins } from './failed-logins.ts';
import type { Data } from './data.ts';
import { createDisk } from './disk.ts';
import type { Identity } from './identity.ts';
import { metricsSource } from './metrics.ts';
import { notificationOptions } from './notifications.ts';
import { serverNames, siteOf } from './server-names.ts';
import { risksOf } from './risks.ts';
import type { Collecting, DeliveryServices } from './services.ts';

export type WebDependencies = Pick<Identity, 'admin' | 'secretKey' | 'forwarderToken'> & {
  readonly data: Data;
  readonly delivery: DeliveryServices;
  /** Reserves what is free now for the waiting list. */
  readonly reserve: () => Promise<void>;
  readonly operations: OperationService;
  readonly settings: Settings;
  /** Where participants reach the server. */
  readonly publicAddress: () => string;
  readonly pinLimit: PinLimit;
  readonly codeLimit: CodeLimit;
  readonly collecting: Collecting;
  readonly scheduleClock: ScheduleClock;
  readonly isStopping: () => boolean;
  /** Counts what happens; null where nobody reads it. */
  readonly metrics: Metrics | null;
  readonly renderMetrics: () => Promise<string>;
};

/** The use of the key and its version: with another name every browser would be a new one. */
const COOKIE_KEY = 'browser-cookie/1';
const CONTRACT_YAML = new URL('../../openapi.yaml', import.meta.url);
/** The same, parsed: `make assets` writes it. Parsing YAML would be a tenth of a start. */
const CONTRACT = new URL('../../dist/contract.json', import.meta.url);
const contractSchema = z.record(z.string(), z.unknown());
/** `make agent` creates it. */
const AGENT_FOLDER = new URL('../../dist/agent/', import.meta.url);

export async function createWebApp(context: AppContext, dependencies: WebDependencies): Promise<HttpApp> {
  const { config, log } = context;
  const { metrics, data, isStopping } = dependencies;
  const { db, shares } = data.database;
  const contract = await loadContract();
  const disk = createDisk({ config, dataDir: data.dataDir });
  const proxy = { isUntrusted: false };
  return createHttpApp({
    document: contract.document,
    validator: contract.validator,
    handlers: createHandlers({
      ...handlerOptions(config, dependencies),
      now: clockOf(context),
      ...dependencies.collecting,
      db,
      settings: dependencies.settings,
      scheduleClock: dependencies.scheduleClock,
      publicAddress: dependencies.publicAddress,
      shares,
      reserve: dependencies.reserve,
      ...{ pinLimit: dependencies.pinLimit, codeLimit: dependencies.codeLimit },
      dispatcher: dependencies.delivery.dispatcher,
      logQueue: openLogQueue(config, shares.machines, metrics?.logLines),
      operations: dependencies.operations,
      vmFeed: openVmFeed(db, log),
      adminUser: config.admin.user,
      checks: [...healthChecks(config, dependencies), disk.check, proxyCheck(proxy)],
      hasSpaceForLogs: disk.hasSpaceForLogs,
      contractYaml: contract.yaml,
      contract: contract.document,
      metrics: metricsSource(config, proxy, dependencies.renderMetrics),
      ...(metrics && { onClaim: metrics.claim }),
    }),
    authenticate: authenticatorOf(config, dependencies),
    vmAuth: config.vmAuth,
    ...serverNames(config.server),
    browserCookie: {
      key: deriveKey(dependencies.secretKey, COOKIE_KEY),
      secure: config.server.secureCookies,
    },
    pages: problemPages(config, dependencies.settings),
    requestsPerMinute: config.limits.requestsPerMinute,
    onRefusedHeartbeat: dependencies.delivery.silence.heard,
    onUntrustedProxy: () => (proxy.isUntrusted = true),
    onFailedLogin: auditFailedLogins(dependencies.data.database.db, log),
    onRequestEnd: (endpoint, status, tookMs) =>
      metrics?.request(endpoint?.id ?? null, status, isEndless(endpoint) ? null : tookMs / 1_000),
    log,
    logRequests: config.logRequests,
    responseFaults: config.responseFaults,
    isStopping,
    classifyError: databaseProblem,
  });
}

function authenticatorOf(config: Config, { data, admin, forwarderToken }: WebDependencies) {
  const { db, shares } = data.database;
  return createAuthenticator({
    db: shares.machines,
    accounts: db,
    nowMs: () => performance.now(),
    admin,
    registrationToken: config.tokens.registration,
    forwarderToken,
    metricsToken: config.metrics.token,
  });
}

function openVmFeed(db: Db, log: AppContext['log']): VmFeed {
  return createVmFeed({
    db,
    nowMs: () => performance.now(),
    onError: (error, doing) => log.warn({ err: error }, `An error while ${doing}; it is tried again.`),
  });
}

type Contract = Awaited<ReturnType<typeof readContract>>;
let loading: Promise<Contract> | undefined;

/** Once for a process: a server that tests start after another one would spend half of its time on it. */
function loadContract(): Promise<Contract> {
  loading ??= readContract();
  return loading;
}

async function readContract() {
  const yaml = await readFile(CONTRACT_YAML, 'utf8');
  const document = contractSchema.parse(JSON.parse(await readFile(CONTRACT, 'utf8')));
  return { yaml, document, validator: createValidator(document) };
}

/** All but one connection of the machines' share, at most: heartbeats find one whatever is logged. */
function openLogQueue({ limits }: Config, db: Db, onLogLines: LogQueueOptions['onLogLines']): LogQueue {
  return createLogQueue({
    ...{ db, onLogLines },
    limiter: createLogLimiter(db, limits.logBytesPerVm),
    connections: Math.max(1, shareSizes(limits.databasePoolSize).machines - 1),
  });
}

/** What the handlers need from the configuration and from the process. */
function handlerOptions(config: Config, { secretKey }: Pick<WebDependencies, 'secretKey'>) {
  const { ownsUnknownVms } = definitionOf(config.provider);
  return {
    unknownVmProvider: ownsUnknownVms ? config.provider : registeredProvider,
    ...siteNames(config),
    adminUser: config.admin.user,
    maxReportedVms: config.limits.reportedVms,
    placesPerBrowser: config.limits.placesPerBrowser,
    requestBounds: { perBrowser: config.limits.vmsPerBrowser, perAddress: config.limits.vmsPerAddress },
    codeLifetimeMs: config.limits.codeLifetimeMs,
    deadlines: config.limits.deadlines,
    channel: config.notifyChannel,
    maxVmsPerLaunch: config.limits.vmsPerLaunch,
    requireDestroyConfirmation: config.launch.requireDestroyConfirmation,
    publicUrl: config.server.publicUrl,
    secureCookies: config.server.secureCookies,
    trustsProxy: config.server.trustProxy !== false,
    pollMaxSeconds: config.limits.pollMaxSeconds ?? null,
    agentFolder: fileURLToPath(AGENT_FOLDER),
    notifications: notificationOptions(config, secretKey),
    sendsEmail: config.notify.smtp !== undefined,
    randomInt: (below: number) => randomInt(below),
    randomUuid: () => randomUUID(),
    randomBytes: (count: number) => randomBytes(count),
  };
}

/** The pages of problems, which need no database. */
function problemPages(config: Config, settings: Settings): HttpOptions['pages'] {
  const shown = () => {
    const workshop = settings.last();
    return { workshop, askForCode: needsCode(workshop), ...siteNames(config) };
  };
  return {
    error: ({ problem, endpointId, path, viewer }) =>
      renderProblem(problem, { endpointId, form: null, path, viewer, ...shown() }),
    form: ({ problem, endpointId, values, viewer, retryAfterSeconds }) =>
      renderProblem(problem, { endpointId, form: values, viewer, retryAfterSeconds, ...shown() }),
  };
}

/** What pages call the deployment. */
function siteNames({ deployment }: Pick<Config, 'deployment'>) {
  return { site: siteOf({ deployment }) };
}

function healthChecks(config: Config, { admin, data, delivery, operations }: WebDependencies): HealthCheck[] {
  const risks = risksOf({ config, admin }).join(' ');
  const away = 'The connection for notifications about assignments is lost; it reconnects by itself.';
  return [
    { name: 'database', check: () => checkDatabase(data.database.db) },
    { name: 'listener', check: () => Promise.resolve(delivery.listener.connected ? null : away) },
    ...operations.checks,
    ...backupChecks(config.backup, data.database.db),
    ...(risks === ''
      ? []
      : [{ name: 'configuration', check: () => Promise.resolve(risks), isWarning: true as const }]),
  ];
}

/** Stays: the requests that showed it may be few. */
function proxyCheck(proxy: { readonly isUntrusted: boolean }): HealthCheck {
  const warning =
    'Requests come through a proxy (X-Forwarded-For), but TRUST_PROXY is false: everybody behind it counts as one address. Set TRUST_PROXY to the number of proxies.';
  return {
    name: 'proxy',
    check: () => Promise.resolve(proxy.isUntrusted ? warning : null),
    isWarning: true,
  };
}
