// A whole allocator in this process, with its own database, a free port, and typed clients.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAllocator, type Allocator } from '../../src/app.ts';
import type { AppContext } from '../../src/app/context.ts';
import { createLablinkClient, type LablinkClient } from '../../src/client/client.ts';
import { loadConfig } from '../../src/config.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { createLog } from '../../src/log.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export const ADMIN = { user: 'admin', password: 'a password for tests' } as const;

export type TestServer = AsyncDisposable & {
  readonly url: string;
  readonly database: TestDatabase;
  readonly db: TestDatabase['db'];
  readonly dataDir: string;
  /** A client without credentials. */
  readonly client: LablinkClient;
  readonly admin: LablinkClient;
  readonly withToken: (token: string) => LablinkClient;
  /** The server's log, one line of JSON each. */
  readonly logLines: readonly string[];
  /** Stops the allocator and starts another one with the same data, on another port. */
  readonly restart: (changed?: {
    readonly env?: Readonly<Record<string, string>>;
    readonly configFile?: string;
  }) => Promise<void>;
  readonly allocator: Allocator;
};

/** Parts of the program that a test replaces. */
export type ServerParts = Pick<
  AppContext,
  | 'provider'
  | 'operationIntervals'
  | 'notifyIntervals'
  | 'scheduleIntervals'
  | 'providerLimits'
  | 'metricsFreshMs'
  | 'now'
> &
  Partial<Pick<AppContext, 'say'>> & {
    /** The text of the config file. */
    readonly configFile?: string;
    /** Replaces the environment of this process. */
    readonly processEnv?: AppContext['env'];
  };

/**
 * Starts it with these additional variables. Disposing stops it, and fails if something stays open.
 * @param on the database of another server, which stays
 */
export async function startTestServer(
  env: Readonly<Record<string, string>> = {},
  parts: ServerParts = {},
  on?: TestDatabase,
): Promise<TestServer> {
  const database = on ?? (await createTestDatabase());
  const dataDir = await mkdtemp(join(tmpdir(), 'lablink-test-'));
  const logLines: string[] = [];
  const start = (more: Parameters<TestServer['restart']>[0] = {}) => {
    const { configFile = parts.configFile } = more;
    const whole = configFile === undefined ? parts : { ...parts, configFile };
    return startOn({ database, dataDir, logLines, env: { ...env, ...more.env }, parts: whole });
  };
  let allocator = await start();
  return {
    get url() {
      return allocator.url;
    },
    get allocator() {
      return allocator;
    },
    get client() {
      return createLablinkClient({ baseUrl: allocator.url });
    },
    get admin() {
      return createLablinkClient({ baseUrl: allocator.url, ...ADMIN });
    },
    withToken: (token) => createLablinkClient({ baseUrl: allocator.url, token }),
    database,
    db: database.db,
    dataDir,
    logLines,
    restart: async (changed) => {
      await allocator.stop('restarted by the test');
      allocator = await start(changed);
    },
    [Symbol.asyncDispose]: async () => {
      await allocator.stop('the test is over');
      if (!on) await database[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true });
    },
  };
}

type Start = {
  readonly database: TestDatabase;
  readonly dataDir: string;
  readonly logLines: string[];
  readonly env: Readonly<Record<string, string>>;
  readonly parts: ServerParts;
};

async function startOn({ database, dataDir, logLines, env, parts: given }: Start): Promise<Allocator> {
  const { configFile, processEnv, ...parts } = given;
  const loaded = loadConfig({
    env: {
      PORT: '0',
      DATA_DIR: dataDir,
      DATABASE_URL: database.connectionString,
      ADMIN_USER: ADMIN.user,
      ADMIN_PASSWORD: ADMIN.password,
      PROVIDER: 'external',
      RESPONSE_FAULTS: 'throw',
      ...env,
    },
    readFile: () => configFile,
    cwd: dataDir,
  });
  if (!loaded.ok) throw new Error(`test configuration: ${JSON.stringify(loaded.failure)}`);
  const started = await startAllocator({
    config: loaded.value.config,
    env: processEnv ?? process.env,
    platform: thisPlatform(),
    self: { pid: process.pid, host: 'test' },
    log: createLog({ level: 'debug', destination: { write: (line) => void logLines.push(line) } }),
    say: () => undefined,
    ...parts,
  });
  if (!started.ok) throw new Error(`${started.failure.message} ${started.failure.remedy}`);
  return started.value;
}
