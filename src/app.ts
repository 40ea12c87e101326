// The composition: config -> resources -> handlers -> server. Everything that is opened is named here, in order, and is
// closed in reverse. It decides nothing.
import { openCollecting } from './app/collect.ts';
import { openData, type Data } from './app/data.ts';
import { openDelivery } from './app/delivery.ts';
import { openHistory } from './app/history.ts';
import { StartRefused, type Environment, type Refusal } from './app/environment.ts';
import { createFleet } from './app/fleet.ts';
import { forwarderToken } from './app/forwarder-token.ts';
import { greet } from './app/greeting.ts';
import { openSshKey } from './app/ssh-key.ts';
import { createWebApp } from './app/web.ts';
import { listenUrl } from './config/derive.ts';
import { startHttpServer } from './http/server.ts';
import { createLifecycle, type Lifecycle } from './lifecycle.ts';
import { adminCredentials, secretKey, type AdminCredentials } from './secrets.ts';
import type { SshKeyPair } from './ssh/key-pair.ts';

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

export type Started = { readonly ok: true; readonly allocator: Allocator } | Refusal;

/** The embedded Postgres is given half a minute to end; everything else is far quicker. */
const CLOSE_TIMEOUT_MS = 35_000;

/** Starts everything, or nothing. */
export async function startAllocator(environment: Environment): Promise<Started> {
  return unwinding(environment, async (lifecycle) => {
    const lost = new AbortController();
    const data = await openData(environment, lifecycle, lost);
    const identity = await openIdentity(environment, data);
    const url = await serve(environment, lifecycle, { data, ...identity });
    greet(environment, { url, admin: identity.admin, notes: data.database.notes });
    return { ok: true, allocator: { url, lost: lost.signal, stop: lifecycle.stop, kill: lifecycle.kill } };
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

type Identity = {
  readonly admin: AdminCredentials;
  readonly secretKey: string;
  readonly forwarderToken: string | undefined;
  readonly sshKey: SshKeyPair;
};

async function openIdentity({ config }: Environment, { dataDir }: Data): Promise<Identity> {
  const key = await secretKey(config.secretKey, dataDir);
  if (!key.ok) throw new StartRefused(key.fault.problem, key.fault.remedy);
  const admin = await adminCredentials(config.admin, dataDir);
  if (!admin.ok) throw new StartRefused(admin.fault.problem, admin.fault.remedy);
  return {
    admin,
    secretKey: key.value,
    forwarderToken: await forwarderToken(config, dataDir),
    sshKey: await openSshKey(dataDir, key.value),
  };
}

/** Listens, then starts the operations: machines call the server, so it is there before them and after them. */
async function serve(
  environment: Environment,
  lifecycle: Lifecycle,
  opened: Identity & { readonly data: Data },
): Promise<string> {
  const { config, log } = environment;
  let stopping = false;
  let url = '';
  const delivery = await openDelivery(environment, lifecycle, opened.data);
  const operations = await createFleet(environment, opened, () => url);
  const app = await createWebApp(environment, {
    ...opened,
    collecting: openCollecting(environment, opened.data, opened.sshKey),
    delivery,
    operations,
    isStopping: () => stopping,
  });
  const { host, port } = config.server;
  const server = await lifecycle.acquire(
    'http server',
    async () => {
      const started = await startHttpServer({ app, host, port, log });
      if (!started.ok) throw new StartRefused(started.problem, started.remedy);
      return started.server;
    },
    async (http, { force }) => {
      stopping = true;
      force.addEventListener('abort', () => void http.kill(), { once: true });
      // Waiting polls are running requests: they are let go while the others finish.
      await Promise.all([delivery.desk.close(), http.stop(config.limits.shutdownGraceMs)]);
    },
  );
  url = listenUrl(host, server.port);
  await openHistory(environment, lifecycle, opened.data);
  await lifecycle.acquire('operations', operations.start, (_started, { force }) => operations.stop(force));
  return url;
}
