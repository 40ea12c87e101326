// Starts and stops the server of a data folder with pg_ctl, which gives it its own session: no Ctrl-C of ours reaches it.
// Call both under the start lock. Knows nothing of SQL.
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { succeed, type Result } from '../../result.ts';
import { codeOfOutput, explainOutput, type OutputCode } from './failure.ts';
import type { Context, Settings } from './paths.ts';
import { findPostmaster, PID_FILE } from './postmaster.ts';
import { runProgram, type RunResult } from './run-program.ts';
import { boundLog, LOG_LIMIT_BYTES, logSize, readLogFrom } from './server-log.ts';

/** Most of it is for replaying the journal of a crashed server. */
const START_TIMEOUT_S = 120;
/** A fast stop ends all sessions and writes a checkpoint; after this an immediate stop follows. */
const FAST_STOP_TIMEOUT_S = 20;
const IMMEDIATE_STOP_TIMEOUT_S = 10;
/** On top of pg_ctl's own time-out. */
const PROGRAM_GRACE_MS = 10_000;

/**
 * How often a start is tried again after such a failure: a port that was free may be taken when Postgres binds it, and
 * children of a postmaster that was killed need a moment to notice.
 */
const RETRIES: Partial<Record<OutputCode, { readonly times: number; readonly waitMs: number }>> = {
  no_port: { times: 4, waitMs: 0 },
  processes_left: { times: 49, waitMs: 200 },
};

/** They save three processes. Earlier majors do not know the setting, and read so anyway. */
const SYNCHRONOUS_READS: Settings = { io_method: 'sync' };
const SYNCHRONOUS_READS_SINCE = 18;
/** Defaults for one small allocator on a computer with other work. */
const SMALL_SERVER: Settings = {
  max_connections: '60',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  // Parallel queries need /dev/shm, which is tiny in containers; none of our queries is big enough for them.
  max_parallel_workers_per_gather: '0',
  // Nobody replicates this server.
  max_logical_replication_workers: '0',
  jit: 'off',
  // Starts, stops and fatal errors; a failed statement is reported to the program that sent it.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/**
 * Starts the server, which must not be running, and waits until it accepts connections.
 * @param port this one and no other; otherwise a free one
 */
export async function startServer(context: Context, port?: number): Promise<Result<number>> {
  const { paths } = context;
  // A postmaster.pid that is there is stale.
  await rm(join(paths.cluster, PID_FILE), { force: true });
  await boundLog(paths.log, LOG_LIMIT_BYTES);
  for (let tries = 0; ; tries++) {
    const chosen = port ?? (await freePort());
    const output = await tryToStart(context, chosen);
    if (output === undefined) return succeed(chosen);
    const code = codeOfOutput(output);
    const retry = code && RETRIES[code];
    const isFixedPort = code === 'no_port' && port !== undefined;
    if (retry === undefined || isFixedPort || tries >= retry.times)
      return explainOutput(output, paths.home, 'start');
    await delay(retry.waitMs);
  }
}

/** Undefined: it runs. Otherwise the output of pg_ctl and Postgres. */
async function tryToStart(context: Context, port: number): Promise<string | undefined> {
  const { paths, binaries } = context;
  const settings = {
    ...(binaries.major >= SYNCHRONOUS_READS_SINCE && SYNCHRONOUS_READS),
    ...context.settings,
  };
  const logged = await logSize(paths.log);
  const args = ['start', '-s', '-w', '-t', String(START_TIMEOUT_S), '-l', 'server.log'];
  const options = postgresOptions(paths.cluster, port, settings);
  const ran = await pgCtl(context, [...args, '-o', options], START_TIMEOUT_S);
  if (ran.code === 0) return undefined;
  return `${ran.output}\n${await readLogFrom(paths.log, logged)}`;
}

/** True when no server runs on this data folder any more; false where even an immediate stop did not end it. */
export async function stopServer(context: Context): Promise<boolean> {
  const steps = [
    { mode: 'fast', seconds: FAST_STOP_TIMEOUT_S },
    { mode: 'immediate', seconds: IMMEDIATE_STOP_TIMEOUT_S },
  ];
  for (const { mode, seconds } of steps) {
    // pg_ctl signals whatever process the file names: it must be the server.
    if ((await findPostmaster(context.paths.cluster)) === undefined) return true;
    await pgCtl(context, ['stop', '-s', '-w', '-t', String(seconds), '-m', mode], seconds);
  }
  return (await findPostmaster(context.paths.cluster)) === undefined;
}

/** The folder is passed in PGDATA and in the quoted `-o`, not in `-D`, which pg_ctl puts into a shell command unescaped. */
function pgCtl(
  { paths, binaries, env, account }: Context,
  args: readonly string[],
  seconds: number,
): Promise<RunResult> {
  return runProgram(binaries.pgCtl, args, {
    env: { ...env, PGDATA: paths.cluster },
    account,
    cwd: dirname(paths.log),
    timeoutMs: seconds * 1_000 + PROGRAM_GRACE_MS,
  });
}

/** What pg_ctl passes to Postgres through a shell: the folder and all settings, quoted. */
export function postgresOptions(cluster: string, port: number, settings: Settings): string {
  // The last three cannot be overridden: nobody else can reach the server, by network or by socket.
  const all = {
    ...SMALL_SERVER,
    ...settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
  };
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', cluster, ...options].map(quoteForShell).join(' ');
}

function quoteForShell(word: string): string {
  return /^[\w./=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('A listening socket has no port.');
  return address.port;
}
