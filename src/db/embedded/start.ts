// The entry point of the embedded Postgres: finds or creates the server of a data folder, and returns how to reach and
// end it. own.ts decides who may use it; this file only never lets two servers run on one folder.
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { succeed, type Result } from '../../result.ts';
import { findEarlier, howToInstall, prepareBinaries } from './binaries.ts';
import { ensureCluster } from './cluster.ts';
import { resolveDataDir } from './data-dir.ts';
import { errorCode, explainFileError, refuse } from './failure.ts';
import { tryFileLock, waitForFileLock, type FileLock } from './file-lock.ts';
import { pathsIn, type Context, type Settings } from './paths.ts';
import type { Platform } from './platform.ts';
import { findPostmaster } from './postmaster.ts';
import { programEnv } from './run-program.ts';
import { startServer, stopServer } from './server.ts';
import { connectionString, reachDatabase } from './session.ts';
import { supervise } from './supervise.ts';
import { upgradeCluster } from './upgrade.ts';

/** Longer than the slowest start or stop in another process. */
const START_LOCK_TIMEOUT_MS = 180_000;
/** For the answer of a running server: it may be replaying its journal, or about to end. */
const ANSWER_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

export type EmbeddedOptions = {
  /** As configured, or as `resolveDataDir` answered. */
  readonly dataDir: string;
  /** Server settings on top of the defaults; the address of the server cannot be changed. */
  readonly settings?: Settings;
  /** Takes sentences about what happens after the start. */
  readonly log: (line: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: Platform;
};

export type EmbeddedPostgres = {
  /** Of the database `lablink`, with the password in it: a secret. */
  readonly connectionString: string;
  /** The real data folder, absolute. */
  readonly dataDir: string;
  /** True where the server ran already, left by an allocator that was killed or used by one that lives. */
  readonly adopted: boolean;
  /** Sentences for the person who starts the allocator. */
  readonly notes: readonly string[];
  /** Ends the server, within half a minute, and only then returns. Leaves it alone where another allocator uses it. */
  readonly stop: () => Promise<void>;
  /** Gives up the server without ending it: for a start that found it in use. */
  readonly leave: () => Promise<void>;
};

type Running = { readonly port: number; readonly password: string; readonly adoptedPid?: number };

/**
 * Starts the server of the data folder, or takes over the one that runs there. While we live, a server that dies is
 * started again on the same port.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<Result<EmbeddedPostgres>> {
  const folder = await resolveDataDir(options);
  if (!folder.ok) return folder;
  const { account, dataDir, note } = folder.value;
  const env = programEnv(options.env);
  const binaries = await prepareBinaries({ platform: options.platform, env, account });
  if (!binaries.ok) return binaries;
  const context: Context = {
    paths: pathsIn(dataDir),
    binaries: binaries.value,
    earlier: {
      find: (major) => findEarlier(major, dataDir, { platform: options.platform, env, account }),
      howToInstall: (major) => howToInstall(major, dataDir, options.platform),
    },
    env,
    account,
    fileOwner: account === undefined ? undefined : await stat(dataDir),
    settings: options.settings ?? {},
    log: options.log,
  };
  const notes = [note, binaries.value.note].filter((line) => line !== undefined);
  return underStartLock(context, () => bringUp(context, notes));
}

async function underStartLock<T>(context: Context, work: () => Promise<Result<T>>): Promise<Result<T>> {
  const { paths, fileOwner } = context;
  const waited = await waitForFileLock(paths.startLock, fileOwner, START_LOCK_TIMEOUT_MS);
  if (!waited.ok) return waited;
  if (waited.value === undefined) {
    return refuse(
      'in_use',
      `Another process has been starting or stopping the embedded Postgres of ${paths.dataDir} for ${START_LOCK_TIMEOUT_MS / 60_000} minutes.`,
      'Find that process (ps ax | grep -e node -e postgres), end it, and start again.',
    );
  }
  try {
    return await work();
  } finally {
    waited.value.release();
  }
}

async function bringUp(context: Context, notes: readonly string[]): Promise<Result<EmbeddedPostgres>> {
  const owner = tryFileLock(context.paths.ownerLock, context.fileOwner);
  if (!owner.ok) return owner;
  const running = await findOrStart(context, owner.value !== undefined);
  if (running.ok) return succeed(handle(context, running.value, owner.value, notes));
  owner.value?.release();
  return running;
}

async function findOrStart(context: Context, isOwner: boolean): Promise<Result<Running>> {
  const { paths } = context;
  if (isOwner) {
    const cluster = await ensureCluster(context, upgradeCluster);
    if (!cluster.ok) return cluster;
  }
  const read = await readPassword(paths.password);
  if (!read.ok) return read;
  const password = read.value;
  const found = await adopt(context, password);
  if (found !== undefined) return found;
  if (!isOwner) {
    return refuse(
      'in_use',
      `Another allocator is using the data folder ${paths.dataDir}, and its Postgres cannot be reached from here (another container?).`,
      'Stop it first, or give this one its own folder with DATA_DIR.',
    );
  }
  const started = await startServer(context);
  if (!started.ok) return started;
  const readiness = await reachDatabase({ port: started.value, password });
  if (readiness === 'ready') return succeed({ port: started.value, password });
  if (readiness !== 'starting') return readiness;
  return refuse(
    'other',
    'The embedded Postgres started and ended again at once.',
    `Its log is ${paths.log}. Start again; if it fails again, set DATABASE_URL to your own server.`,
  );
}

/** Undefined where no server runs on the folder, or the one that did has ended while we waited for its answer. */
async function adopt({ paths }: Context, password: string): Promise<Result<Running> | undefined> {
  for (let waitedMs = 0; waitedMs < ANSWER_TIMEOUT_MS; waitedMs += POLL_MS) {
    const postmaster = await findPostmaster(paths.cluster);
    if (postmaster === undefined) return undefined;
    const { pid, port } = postmaster;
    const readiness = port === undefined ? 'starting' : await reachDatabase({ port, password });
    if (port !== undefined && readiness === 'ready') return succeed({ port, password, adoptedPid: pid });
    if (readiness !== 'ready' && readiness !== 'starting') return readiness;
    await delay(POLL_MS);
  }
  return refuse(
    'unreachable',
    `A Postgres runs on ${paths.cluster}, but it does not answer.`,
    `Look at ${paths.log}; end it (its process is in the first line of ${paths.cluster}/postmaster.pid) and start again.`,
  );
}

function handle(
  context: Context,
  { port, password, adoptedPid }: Running,
  ownerLock: FileLock | undefined,
  notes: readonly string[],
): EmbeddedPostgres {
  const { paths, fileOwner, log } = context;
  const supervision = supervise(context, port, ownerLock);
  let ended: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const held = await supervision.end();
    const startLock = await waitForFileLock(paths.startLock, fileOwner, START_LOCK_TIMEOUT_MS);
    const tried = held === undefined ? tryFileLock(paths.ownerLock, fileOwner) : succeed(held);
    const owner = tried.ok ? tried.value : undefined;
    if (owner === undefined) log('The embedded Postgres is left running: another allocator uses it.');
    else if (!(await stopServer(context))) log(`The embedded Postgres did not stop; see ${paths.log}.`);
    owner?.release();
    if (startLock.ok) startLock.value?.release();
  };
  const leave = async (): Promise<void> => (await supervision.end())?.release();
  const adopted = adoptedPid !== undefined;
  const note = `The embedded Postgres was running already (process ${adoptedPid ?? 0}) and is used as it is.`;
  return {
    connectionString: connectionString({ port, password }),
    dataDir: paths.dataDir,
    adopted,
    notes: adopted ? [...notes, note] : notes,
    stop: () => (ended ??= stop()),
    leave: () => (ended ??= leave()),
  };
}

async function readPassword(path: string): Promise<Result<string>> {
  try {
    return succeed((await readFile(path, 'utf8')).trim());
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') return explainFileError(error, path, 'read its password');
    return refuse(
      'wrong_files',
      `The password of the embedded Postgres is missing: there is no file ${path}.`,
      'Put it back (it belongs to the database and must be copied with it), or move the folder "postgres" away to start with an empty database.',
    );
  }
}
