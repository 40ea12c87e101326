// The composition: config -> resources -> handlers -> server. Everything that is opened is named here, in order, and is
// closed in reverse. It decides nothing.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { listenUrl } from './config/public-url.ts';
import type { Config } from './config/schema.ts';
import { resolveDataDir } from './db/embedded/data-dir.ts';
import type { Machine } from './db/embedded/machine.ts';
import { databaseProblem } from './db/errors.ts';
import { checkDatabase } from './db/health.ts';
import type { Db } from './db/connect.ts';
import { listen, type Listener } from './db/listen.ts';
import { openDatabase, type OpenDatabase } from './db/open.ts';
import { createDesk, type Desk } from './delivery/desk.ts';
import { createHandlers } from './handlers/all.ts';
import { createAuthenticator } from './handlers/authenticate.ts';
import { createLogKeeper } from './handlers/logs.ts';
import type { HealthCheck } from './handlers/system.ts';
import { createHttpApp } from './http/app.ts';
import { startHttpServer } from './http/server.ts';
import { createLifecycle, type Lifecycle } from './lifecycle.ts';
import type { Log } from './log.ts';
import { renderProblem } from './pages/problem.ts';
import { adminCredentials, deriveKey, secretKey, type AdminCredentials } from './secrets.ts';

/** What the process is and has; nothing below reads it anywhere else. */
export type Environment = {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  readonly self: { readonly pid: number; readonly host: string };
  readonly log: Log;
  /** Tells the person who started it one line. */
  readonly say: (line: string) => void;
};

export type Allocator = {
  /** Where it listens, like `http://127.0.0.1:5000`. */
  readonly url: string;
  /** Aborted, with a reason, when it must not serve any more. */
  readonly lost: AbortSignal;
  /** Refuses new requests, finishes running ones, lets waiters go, closes everything in reverse. */
  readonly stop: (reason: string) => Promise<void>;
  /** The same with this much time left, then by force. */
  readonly kill: (graceMs: number) => Promise<void>;
};

export type Refusal = { readonly ok: false; readonly problem: string; readonly remedy: string };
export type Started = { readonly ok: true; readonly allocator: Allocator } | Refusal;

/** An expected failure on the way up: unwinds what was opened, and becomes a Refusal. */
class StartRefused extends Error {
  readonly remedy: string;
  constructor({ message, remedy }: { readonly message: string; readonly remedy: string }) {
    super(message);
    this.remedy = remedy;
  }
}

const COOKIE_KEY = 'browser-cookie/1';
/** The embedded Postgres is given half a minute to end; everything else is far quicker. */
const CLOSE_TIMEOUT_MS = 35_000;

/** Starts everything, or nothing. */
export async function startAllocator(environment: Environment): Promise<Started> {
  return unwinding(environment, async (lifecycle) => {
    const lost = new AbortController();
    const { dataDir, database } = await openData(environment, lifecycle, lost);
    return { ok: true, allocator: await serve(environment, { lifecycle, lost, dataDir, database }) };
  });
}

/** Brings the schema up to date, and closes everything again. */
export async function migrateOnly(environment: Environment): Promise<{ readonly ok: true } | Refusal> {
  return unwinding(environment, async (lifecycle) => {
    await openData(environment, lifecycle, new AbortController());
    await lifecycle.stop('migrated');
    return { ok: true };
  });
}

async function unwinding<T>(
  environment: Environment,
  work: (lifecycle: Lifecycle) => Promise<T>,
): Promise<T | Refusal> {
  const lifecycle = createLifecycle(environment.log, { closeTimeoutMs: CLOSE_TIMEOUT_MS });
  try {
    return await work(lifecycle);
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    if (error instanceof StartRefused) return { ok: false, problem: error.message, remedy: error.remedy };
    throw error;
  }
}

async function openData(environment: Environment, lifecycle: Lifecycle, lost: AbortController) {
  const { config, log, env, machine, self } = environment;
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, machine });
  if (!folder.ok) throw new StartRefused(folder.problem);
  if (folder.note !== undefined) environment.say(folder.note);
  const database = await openDatabase({
    lifecycle,
    log,
    url: config.database.kind === 'external' ? config.database.url : null,
    dataDir: folder.dataDir,
    poolSize: config.limits.databasePoolSize,
    mode: mayShare(config) ? 'shared' : 'exclusive',
    env,
    machine,
    self,
    onTaken: (who) => lost.abort(`another allocator (${who}) has taken the database`),
  });
  if (!database.ok) throw new StartRefused(database.problem);
  return { dataDir: folder.dataDir, database };
}

/** Several allocators can share a database only where nothing that matters is on one machine's disk. */
function mayShare({ database, provider, secretKey: key, pulumi }: Config): boolean {
  const stateIsShared = provider === 'external' || pulumi.backendUrl?.startsWith('s3://') === true;
  return database.kind === 'external' && provider !== 'local' && key !== undefined && stateIsShared;
}

type Opened = {
  readonly lifecycle: Lifecycle;
  readonly lost: AbortController;
  readonly dataDir: string;
  readonly database: OpenDatabase;
};

async function serve(environment: Environment, opened: Opened): Promise<Allocator> {
  const { config, log } = environment;
  const { lifecycle, lost, dataDir, database } = opened;
  const key = await secretKey(config.secretKey, dataDir);
  if (!key.ok) throw refusal(key);
  const admin = await adminCredentials(config.admin, dataDir);
  if (!admin.ok) throw refusal(admin);
  const desk = createDesk({
    db: database.db,
    maxWaiters: config.limits.waitingVms,
    codeLifetimeSeconds: config.limits.codeLifetimeMs / 1_000,
    pollMaxSeconds: config.limits.pollMaxSeconds ?? null,
    now: Date.now,
    onError: (error, doing) => log.warn({ err: error }, `${doing} failed; it is tried again.`),
  });
  const listener = await openListener(environment, opened, desk);
  const contractYaml = await readFile(new URL('../openapi.yaml', import.meta.url), 'utf8');
  const handlers = createHandlers({
    ...wiring(config),
    db: database.db,
    desk,
    logs: createLogKeeper(database.db, config.limits.logBytesPerVm),
    checks: healthChecks(database.db, listener),
    contractYaml,
    contract: parseContract(contractYaml),
    agentFolder: fileURLToPath(new URL('../dist/agent/', import.meta.url)),
  });
  let stopping = false;
  const app = await createHttpApp({
    document: parseContract(contractYaml),
    handlers,
    authenticate: createAuthenticator({
      db: database.db,
      admin,
      registrationToken: config.tokens.registration,
      forwarderToken: config.tokens.logForwarder,
    }),
    vmAuth: config.vmAuth,
    browserCookie: { key: deriveKey(key.value, COOKIE_KEY), secure: config.server.secureCookies },
    pages: {
      error: ({ problem, operationId }) => renderProblem(problem, { operationId, form: null }),
      form: ({ problem, operationId, values }) => renderProblem(problem, { operationId, form: values }),
    },
    trustProxy: config.server.trustProxy,
    publicUrl: config.server.publicUrl,
    requestsPerMinute: config.limits.requestsPerMinute,
    log,
    responseFaults: config.responseFaults,
    isStopping: () => stopping,
    classifyError: databaseProblem,
  });
  const { host, port } = config.server;
  const server = await lifecycle.acquire(
    'http server',
    async () => {
      const started = await startHttpServer({ app, host, port, log });
      if (!started.ok) throw refusal(started);
      return started.server;
    },
    async (http, { force }) => {
      stopping = true;
      force.addEventListener('abort', http.kill, { once: true });
      // Waiting polls are running requests: they are let go while the others finish.
      await Promise.all([desk.close(), http.stop(config.limits.shutdownGraceMs)]);
    },
  );
  const url = listenUrl(host, server.port);
  greet(environment, { url, admin, notes: database.notes });
  return { url, lost: lost.signal, stop: lifecycle.stop, kill: lifecycle.kill };
}

/** What the handlers take from the configuration and from the process. */
function wiring(config: Config) {
  return {
    bornAs: config.provider === 'aws' ? ('aws' as const) : ('external' as const),
    now: () => new Date(),
    codeLifetimeMs: config.limits.codeLifetimeMs,
    channel: config.notifyChannel,
    randomInt: (below: number) => randomInt(below),
    randomUuid: () => randomUUID(),
    randomBytes: (count: number) => randomBytes(count),
  };
}

async function openListener({ config, log }: Environment, opened: Opened, desk: Desk): Promise<Listener> {
  const listening = await opened.lifecycle.acquire(
    'listener',
    () =>
      listen({
        connectionString: opened.database.connectionString,
        channel: config.notifyChannel,
        onHostname: desk.hint,
        onConnected: () => void desk.reread(),
        onError: (error) => log.warn({ err: error }, 'The listener lost its connection; it reconnects.'),
      }),
    async (result) => {
      if (result.ok) await result.listener.close();
    },
  );
  if (!listening.ok) throw refusal(listening);
  return listening.listener;
}

function healthChecks(db: Db, listener: Listener): HealthCheck[] {
  const away = 'The connection that hears of assignments is away; it reconnects by itself.';
  return [
    { name: 'database', check: () => checkDatabase(db) },
    { name: 'listener', check: () => Promise.resolve(listener.connected ? null : away) },
  ];
}

function parseContract(yaml: string): Record<string, unknown> {
  const document: unknown = parse(yaml);
  if (typeof document !== 'object' || document === null) throw new Error('openapi.yaml is not an object');
  return { ...document };
}

type Greeting = {
  readonly url: string;
  readonly admin: AdminCredentials;
  readonly notes: readonly string[];
};

/** What a newcomer needs: where to look, and how to get in. */
function greet({ say, config }: Environment, { url, admin, notes }: Greeting): void {
  for (const note of notes) say(note);
  say(`LabLink Allocator is listening on ${url}`);
  if (config.server.publicUrl !== undefined && config.server.publicUrl !== url)
    say(`  public     ${config.server.publicUrl}`);
  say(`  form       ${url}/`);
  say(`  dashboard  ${url}/admin   (user ${admin.user}, ${passwordHint(admin)})`);
  say(`  contract   ${url}/docs`);
  say('Press Ctrl-C to stop.');
}

function passwordHint(admin: AdminCredentials): string {
  if (admin.source === 'config') return 'the password of the configuration';
  return admin.source === 'made-now'
    ? `password ${admin.password}, shown this once and kept in ${admin.path}`
    : `the password is in ${admin.path}`;
}

type Faulty =
  | { readonly fault: { readonly problem: string; readonly remedy: string } }
  | { readonly problem: string; readonly remedy: string };

function refusal(faulty: Faulty): StartRefused {
  const { problem, remedy } = 'fault' in faulty ? faulty.fault : faulty;
  return new StartRefused({ message: problem, remedy });
}
