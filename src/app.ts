// The composition: config -> resources -> handlers -> server. Everything that is opened is named here, in order, and is
// closed in reverse. It decides nothing.
import { openBackups } from './app/backup.ts';
import { greet } from './app/console.ts';
import { StartError, type AppContext } from './app/context.ts';
import { openData, type Data } from './app/data.ts';
import { createFleet } from './app/fleet.ts';
import { compareRestored } from './app/restored.ts';
import { openIdentity, type Identity } from './app/identity.ts';
import { risksOf } from './app/risks.ts';
import { openDelivery, openHistory, openReserver } from './app/services.ts';
import { createMetricsReader, createServerMetrics, openMetricsServer } from './app/metrics.ts';
import { openServiceNotices } from './app/service-manager.ts';
import { openNotifications } from './app/notifications.ts';
import { openPlanning, openSchedule } from './app/schedule.ts';
import { createWebApp } from './app/web.ts';
import { openSettings } from './app/workshop.ts';
import { listenUrl } from './config/derive.ts';
import { databaseStartFailure } from './db/start-failure.ts';
import type { HttpApp } from './http/app.ts';
import { createCodeLimit } from './http/code-limit.ts';
import { WRONG_CODES_IN_ALL, WRONG_CODES_WINDOW_MS } from './vms/workshop-code.ts';
import { createPinLimit } from './http/pin-limit.ts';
import { startHttpServer } from './http/server.ts';
import { createLifecycle, type Lifecycle } from './lifecycle.ts';
import { checkAssets } from './pages/assets.ts';
import { fail, succeed, type Result } from './result.ts';

export type Allocator = {
  /** The listening address, like `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Aborted, with a reason, when it must not serve any more. */
  readonly lost: AbortSignal;
  /** Refuses new requests, finishes running ones, ends waiting polls, closes everything in reverse. */
  readonly stop: (reason: string) => Promise<void>;
  /** The same with this much time, then by force. */
  readonly kill: (graceMs: number) => Promise<void>;
};

/** The embedded Postgres gets half a minute to end; everything else is far quicker. */
const CLOSE_TIMEOUT_MS = 35_000;

/** Starts everything, or nothing. */
export async function startAllocator(context: AppContext): Promise<Result<Allocator>> {
  return withLifecycle(context, async (lifecycle) => {
    const assets = checkAssets();
    if (!assets.ok) throw new StartError(assets.failure);
    const lost = new AbortController();
    const data = await openData(context, lifecycle, lost);
    const identity = await openIdentity(context, data);
    const url = await serve(context, lifecycle, { data, ...identity });
    for (const note of data.database.notes) context.say(note);
    for (const risk of risksOf({ config: context.config, admin: identity.admin }))
      context.say(`Warning: ${risk}`);
    greet(context, { url, admin: identity.admin });
    await openServiceNotices(context, lifecycle, data);
    return { url, lost: lost.signal, stop: lifecycle.stop, kill: lifecycle.kill };
  });
}

/** Updates the schema, and closes everything again. */
export async function migrateOnly(context: AppContext): Promise<Result> {
  return withLifecycle(context, async (lifecycle) => {
    await openData(context, lifecycle, new AbortController());
    await lifecycle.stop('migrated');
    return undefined;
  });
}

/** Closes what was opened when a step fails. */
async function withLifecycle<T>(
  context: AppContext,
  work: (lifecycle: Lifecycle) => Promise<T>,
): Promise<Result<T>> {
  const lifecycle = createLifecycle(context.log, { closeTimeoutMs: CLOSE_TIMEOUT_MS });
  try {
    return succeed(await work(lifecycle));
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    if (error instanceof StartError) return fail(error.failure);
    const failure = databaseStartFailure(error);
    if (failure !== null) {
      context.log.debug({ err: error }, 'The database failed at start.');
      return fail(failure);
    }
    throw error;
  }
}

const openCodeLimit = () => createCodeLimit({ windowMs: WRONG_CODES_WINDOW_MS, inAll: WRONG_CODES_IN_ALL });

/** Listens, then starts the operations: machines call the server, so it is there before them and after them. */
async function serve(
  context: AppContext,
  lifecycle: Lifecycle,
  opened: Identity & { readonly data: Data },
): Promise<string> {
  const { config, log } = context;
  let stopping = false;
  let url = '';
  const metrics = await createServerMetrics(config);
  const delivery = await openDelivery(context, lifecycle, opened.data, metrics);
  const operations = await createFleet(context, opened, () => url);
  await compareRestored(context, opened.data, operations);
  const limits = await openLimits(lifecycle);
  const settings = await openSettings(config, opened.data);
  const publicAddress = (): string => config.server.publicUrl ?? url;
  const planning = openPlanning(context, opened.data, opened.sshKey);
  const renderMetrics = createMetricsReader(context, {
    metrics,
    db: opened.data.database.db,
    shares: opened.data.database.shares,
    delivery,
    operations,
    app: () => app,
  });
  const app: HttpApp = await createWebApp(context, {
    ...opened,
    metrics,
    renderMetrics,
    settings,
    publicAddress,
    reserve: await openReserver(context, lifecycle, { ...opened.data, settings }),
    ...limits,
    ...planning,
    delivery,
    operations,
    isStopping: () => stopping,
  });
  const { host, port } = config.server;
  const server = await lifecycle.acquire(
    'http server',
    async () => {
      const started = await startHttpServer({ app, host, port, log });
      if (started.ok) return started.value;
      throw new StartError(started.failure);
    },
    async (http, { force }) => {
      stopping = true;
      force.addEventListener('abort', () => void http.kill(), { once: true });
      // Waiting polls are running requests: they end while the others finish.
      await Promise.all([delivery.dispatcher.close(), http.stop(config.limits.shutdownGraceMs)]);
    },
  );
  url = listenUrl(host, server.port);
  await openMetricsServer(context, lifecycle, renderMetrics);
  await openHistory(context, lifecycle, opened.data);
  await openBackups(context, lifecycle, opened.data);
  await openNotifications(context, lifecycle, { ...opened, settings, publicAddress, operations });
  await lifecycle.acquire('operations', operations.start, (_started, { force }) => operations.stop(force));
  await openSchedule(context, lifecycle, { ...planning, data: opened.data, operations });
  return url;
}

/** Of wrong PINs and wrong workshop codes. */
async function openLimits(lifecycle: Lifecycle) {
  return {
    pinLimit: await lifecycle.acquire('PIN limit', createPinLimit, (limit) => limit.close()),
    codeLimit: await lifecycle.acquire('code limit', openCodeLimit, (limit) => limit.close()),
  };
}
