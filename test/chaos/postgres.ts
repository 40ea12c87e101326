// The Postgres of a harness: real, on loopback, and killed on purpose. `src/db/embedded` starts it again on its port.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { findPostmaster } from '../../src/db/embedded/postmaster.ts';
import { startEmbeddedPostgres } from '../../src/db/embedded/start.ts';
import { signalProcess } from '../../src/process/signal.ts';

/** What was committed must survive the death of its processes, not that of the computer: no fsync. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', max_connections: '60' };
/** Its client backends, without the one that asks. */
const BACKENDS = `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`;
const POLL_MS = 50;

export type ChaosPostgres = AsyncDisposable & {
  readonly port: number;
  /** With the password in it. Past the proxy. */
  readonly connectionString: string;
  /** For the harness alone; one connection at a time. */
  readonly db: Db;
  /** Kills the server, or stops it; it starts again by itself. */
  readonly end: (how: 'SIGKILL' | 'SIGINT' | 'SIGQUIT') => Promise<void>;
  /** Kills one of its backends, after which the server ends all others and recovers. */
  readonly killBackend: (index: number) => Promise<void>;
  /** Ends sessions as an administrator does. */
  readonly endSessions: () => Promise<void>;
  /** Resolves when it answers. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
};

export async function startChaosPostgres(folder: string): Promise<ChaosPostgres> {
  const dataDir = join(folder, 'database');
  const started = await startEmbeddedPostgres({
    dataDir,
    settings: SETTINGS,
    log: () => undefined,
    env: process.env,
    platform: thisPlatform(),
  });
  if (!started.ok) throw new Error(`${started.failure.message} ${started.failure.remedy}`);
  const { connectionString, dataDir: realDataDir, stop } = started.value;
  const db = connectDatabase({
    connectionString,
    poolSize: 2,
    applicationName: 'chaos',
    onIdleError: () => undefined,
  });
  const { cluster } = pathsIn(realDataDir);

  return {
    port: Number(new URL(connectionString).port),
    connectionString,
    db,
    end: async (how) => {
      const server = await findPostmaster(cluster);
      if (server) signalProcess(server.pid, how);
    },
    killBackend: async (index) => {
      const pids = await askOnce<{ pid: number }>(connectionString, BACKENDS);
      const chosen = pids[index % Math.max(1, pids.length)];
      if (chosen) signalProcess(chosen.pid, 'SIGKILL');
    },
    endSessions: async () => {
      await askOnce(connectionString, `select pg_terminate_backend(pid) from (${BACKENDS}) as others`);
    },
    ready: async (signal) => {
      while (!signal.aborted && (await askOnce(connectionString, 'select 1')).length === 0)
        await delay(POLL_MS);
    },
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await stop();
    },
  };
}

/** On a connection of its own; no rows where the server does not answer. */
async function askOnce<Row extends object>(connectionString: string, statement: string): Promise<Row[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Row>(statement)).rows;
  } catch {
    return [];
  } finally {
    await client.end().catch(() => undefined);
  }
}
