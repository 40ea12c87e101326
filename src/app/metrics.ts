// Metrics: who may read them, and what is read when somebody does.
import { isLoopback, listenUrl } from '../config/derive.ts';
import type { Config } from '../config.ts';
import { readBackupState } from '../db/backups.ts';
import type { Db } from '../db/connect.ts';
import { readGroupSizes } from '../db/grouped.ts';
import { readSharesUse, type Shares } from '../db/shares.ts';
import { countOutbox } from '../db/outbox.ts';
import { readDatabaseTime, readEndedOperations, readMetricFacts } from '../db/metric-facts.ts';
import { countVms, listVmsInQuestion } from '../db/vms.ts';
import { withTimeLimit } from '../async/time-limit.ts';
import { sameText } from '../auth/authenticate.ts';
import { attentionView, type ViewContext } from '../handlers/views.ts';
import { endpoints } from '../contract/endpoints.gen.ts';
import type { SystemDependencies } from '../handlers/system.ts';
import type { HttpApp } from '../http/app.ts';
import { createMetricsApp } from '../http/metrics-app.ts';
import { startHttpServer } from '../http/server.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { LabFacts, ServerFacts } from '../metrics/readings.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { vmStatuses } from '../vms/lifecycle.ts';
import { version } from '../version.ts';
import { required, type AppContext } from './context.ts';
import type { DeliveryServices } from './services.ts';

/** What the database says is read again after this long, however often somebody asks. */
const FRESH_MS = 10_000;
/** Prometheus gives up after 10 s. */
const READ_TIMEOUT_MS = 3_000;

/** Null where nobody can read them; then nothing is counted, and prom-client is not loaded. */
export async function createServerMetrics({ metrics, server }: Config): Promise<Metrics | null> {
  const isRead = metrics.port !== undefined || metrics.token !== undefined || isPrivate(server);
  if (!isRead) return null;
  return (await import('../metrics/metrics.ts')).createMetrics();
}

/** No other computer and no proxy leads to this server, as far as the configuration tells. */
function isPrivate({ host, trustProxy, publicUrl }: Config['server']): boolean {
  const name = publicUrl === undefined ? host : (URL.parse(publicUrl)?.hostname ?? '');
  return isLoopback(host) && trustProxy === false && isLoopback(name);
}

/** Who may read them at PORT. @param proxy whether a request came through a proxy that nobody has configured */
export function metricsSource(
  { metrics, server }: Config,
  proxy: { readonly isUntrusted: boolean },
  render: () => Promise<string>,
): SystemDependencies['metrics'] {
  const access = (): 'token' | 'open' | 'off' => {
    if (metrics.token !== undefined) return 'token';
    return metrics.port === undefined && isPrivate(server) && !proxy.isUntrusted ? 'open' : 'off';
  };
  return { access, render };
}

export type MetricsSources = {
  /** Null where nobody can read them. */
  readonly metrics: Metrics | null;
  readonly db: Db;
  readonly shares: Shares;
  readonly delivery: Pick<DeliveryServices, 'dispatcher' | 'listener'>;
  readonly operations: Pick<OperationService, 'orphans' | 'graceMinutes'>;
  readonly app: () => Pick<HttpApp, 'running' | 'responseFaults'>;
};

/** The function that writes them. It answers within seconds, whatever the database does. */
export function createMetricsReader(
  { config, log, metricsFreshMs = FRESH_MS }: Pick<AppContext, 'config' | 'log' | 'metricsFreshMs'>,
  sources: MetricsSources,
): () => Promise<string> {
  const { metrics, db } = sources;
  if (metrics === null) return () => Promise.reject(new Error('metrics are off'));
  const readEnded = createEndedReader(db, metrics);
  const readLab = atMostEvery(
    metricsFreshMs,
    () => readLabFacts(config, sources, readEnded),
    () => performance.now(),
  );
  return async () => {
    const lab = await withTimeLimit(READ_TIMEOUT_MS, readLab, () => null).catch((error: unknown) => {
      log.debug({ err: error }, 'The database could not be read for metrics.');
      return null;
    });
    return metrics.render(serverFacts(sources, lab !== null), lab);
  };
}

/** On a port of its own, where METRICS_PORT is set. Throws StartError. */
export async function openMetricsServer(
  { config, log, say }: AppContext,
  lifecycle: Lifecycle,
  render: () => Promise<string>,
): Promise<void> {
  const { port, host, token } = config.metrics;
  if (port === undefined) return;
  const isToken = token === undefined ? null : (given: string) => sameText(given, token);
  const app = createMetricsApp({ render, isToken, log });
  const settings = { host: 'METRICS_HOST', port: 'METRICS_PORT' };
  const server = await lifecycle.acquire(
    'metrics server',
    async () => required(await startHttpServer({ app, host, port, log, settings })),
    (http) => http.kill(),
  );
  say(`Metrics are at ${listenUrl(host, server.port)}${endpoints.getMetrics.path}.`);
}

/** Shares what runs, and its result while it is fresh; a failure is not kept. */
function atMostEvery<T>(ms: number, read: () => Promise<T>, nowMs: () => number): () => Promise<T> {
  let last: { readonly result: Promise<T>; readonly at: number; isRunning: boolean } | null = null;
  return () => {
    if (last !== null && (last.isRunning || nowMs() - last.at < ms)) return last.result;
    const reading = { result: read(), at: nowMs(), isRunning: true };
    last = reading;
    const done = (): boolean => (reading.isRunning = false);
    reading.result.then(done, () => {
      done();
      last = null;
    });
    return reading.result;
  };
}

/** Tells the metrics about each operation that has ended since the start, whichever allocator ran it. */
function createEndedReader(db: Db, metrics: Metrics): () => Promise<void> {
  let after: string | null = null;
  return async () => {
    if (after === null) after = await readDatabaseTime(db);
    for (const ended of await readEndedOperations(db, after)) {
      metrics.operation(ended);
      after = ended.endedAt;
    }
  };
}

/** One query after another: a scrape takes one connection. */
async function readLabFacts(
  { limits, backup }: Config,
  { db, operations }: MetricsSources,
  readEnded: () => Promise<void>,
): Promise<LabFacts> {
  await readEnded();
  const counts = await countVms(db);
  const facts = await readMetricFacts(db, operations.graceMinutes);
  const backups = await readBackupState(db);
  const { queued, running, ...rest } = facts;
  return {
    ...rest,
    byStatus: new Map(vmStatuses.map((status) => [status, counts.byStatus.get(status) ?? 0])),
    free: counts.free,
    inUse: counts.inUse,
    operations: { queued, running },
    attention: await readAttention(db, { now: new Date(), ...limits }),
    backupAgeSeconds: backups.last?.ageSeconds ?? null,
    backupFailed: backups.problem !== null,
    notifications: await countOutbox(db),
    backupEverySeconds: backup.everyHours === 0 ? null : backup.everyHours * 3_600,
  };
}

async function readAttention(db: Db, context: ViewContext): Promise<LabFacts['attention']> {
  const entries = (await listVmsInQuestion(db)).flatMap((vm) => attentionView(vm, context) ?? []);
  const groups = Map.groupBy(entries, ({ reason, email }) => `${reason} ${email !== null}`);
  return [...groups.values()].flatMap(([first, ...others]) =>
    first === undefined
      ? []
      : [{ reason: first.reason, participant: first.email !== null, count: others.length + 1 }],
  );
}

function serverFacts(
  { shares, delivery, operations, app }: MetricsSources,
  databaseUp: boolean,
): ServerFacts {
  const pool = readSharesUse(shares);
  const { running, responseFaults } = app();
  const { checkedAt, items } = operations.orphans.seen();
  const ofKind = (kind: (typeof items)[number]['kind']) => items.filter((item) => item.kind === kind).length;
  const byKind = { vm: ofKind('vm'), record: ofKind('record'), foreign: ofKind('foreign') };
  return {
    version,
    runningRequests: running(),
    responseFaults: responseFaults(),
    waitingVms: delivery.dispatcher.waiting,
    listenerConnected: delivery.listener.connected,
    databaseUp,
    pool,
    groups: readGroupSizes(Object.values(shares)),
    orphans: checkedAt === null ? null : { checkedAt, byKind },
  };
}
