// The door of the embedded Postgres: finds or makes the server of a data folder, and hands out how to reach and end it.
// Who may use it is decided elsewhere (own.ts); this file only never lets two servers run on one folder.
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareBinaries } from './binaries.ts';
import { ensureCluster } from './cluster.ts';
import type { Context } from './context.ts';
import { resolveDataDir } from './data-dir.ts';
import { tryFileLock, waitForFileLock, type FileLock } from './file-lock.ts';
import type { Machine } from './machine.ts';
import { placesIn } from './places.ts';
import { findPostmaster } from './postmaster.ts';
import { errorCode, explainFileError, refuse, type Failure } from './problem.ts';
import { programEnv } from './run-program.ts';
import { startServer, stopServer } from './server.ts';
import { connectionString, reachDatabase } from './session.ts';
import type { Settings } from './settings.ts';
import { supervise } from './supervise.ts';

/** Longer than the slowest start or stop that another process may be in. */
const START_LOCK_TIMEOUT_MS = 180_000;
/** For a server that was found running to answer: it may be replaying its journal, or about to end. */
const ANSWER_TIMEOUT_MS = 120_000;
const POLL_MS = 50;

export type EmbeddedOptions = {
  /** As configured, or as `resolveDataDir` answered. */
  readonly dataDir: string;
  /** Server settings on top of those for a small server; where it listens cannot be changed. */
  readonly settings?: Settings;
  /** Told, in sentences, what happens after the start. */
  readonly log: (line: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
};

export type EmbeddedPostgres = {
  /** Of the database `lablink`, with the password in it: a secret. */
  readonly connectionString: string;
  /** Where the data really is, absolute. */
  readonly dataDir: string;
  /** True where the server ran already, left by an allocator that was killed or used by one that lives. */
  readonly adopted: boolean;
  /** Sentences that the person who starts the allocator should read. */
  readonly notes: readonly string[];
  /** Ends the server, within half a minute, and only returns then. Leaves it alone where another allocator lives on it. */
  readonly stop: () => Promise<void>;
  /** Lets go of the server without ending it: for the start that found it in use. */
  readonly leave: () => Promise<void>;
};

export type EmbeddedResult = { readonly ok: true; readonly postgres: EmbeddedPostgres } | Failure;

type Running = {
  readonly ok: true;
  readonly port: number;
  readonly password: string;
  readonly adoptedPid?: number;
};

/**
 * Starts the server of the data folder, or takes over the one that runs there. While we live, a server that dies is
 * started again on the same port. Expected failures are returned with what to do about them.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedResult> {
  const folder = await resolveDataDir(options);
  if (!folder.ok) return folder;
  const { account, dataDir } = folder;
  const env = programEnv(options.env);
  const binaries = await prepareBinaries({ machine: options.machine, env, account });
  if (!binaries.ok) return binaries;
  const context: Context = {
    places: placesIn(dataDir),
    binaries,
    env,
    account,
    keeper: account === undefined ? undefined : await stat(dataDir),
    settings: options.settings ?? {},
    log: options.log,
  };
  const notes = [folder.note, binaries.note].filter((note) => note !== undefined);
  return underStartLock(context, () => bringUp(context, notes));
}

async function underStartLock(
  context: Context,
  work: () => Promise<EmbeddedResult>,
): Promise<EmbeddedResult> {
  const { places, keeper } = context;
  const waited = await waitForFileLock(places.startLock, keeper, START_LOCK_TIMEOUT_MS);
  if (!waited.ok) return waited;
  if (waited.lock === undefined) return stuck(places.dataDir);
  try {
    return await work();
  } finally {
    waited.lock.release();
  }
}

async function bringUp(context: Context, notes: readonly string[]): Promise<EmbeddedResult> {
  const owner = tryFileLock(context.places.ownerLock, context.keeper);
  if (!owner.ok) return owner;
  const running = await findOrStart(context, owner.lock !== undefined);
  if (running.ok) return { ok: true, postgres: handle(context, running, owner.lock, notes) };
  owner.lock?.release();
  return running;
}

async function findOrStart(context: Context, owned: boolean): Promise<Running | Failure> {
  if (owned) {
    const cluster = await ensureCluster(context);
    if (!cluster.ok) return cluster;
  }
  const password = await readPassword(context.places.password);
  if (typeof password !== 'string') return password;
  const found = await adopt(context, password);
  if (found !== undefined) return found;
  // A live process that our locks see and whose server we do not: in another container, on the same folder.
  if (!owned) return usedElsewhere(context.places.dataDir);
  const started = await startServer(context);
  if (!started.ok) return started;
  const reach = await reachDatabase({ port: started.port, password });
  if (reach === 'starting') return diedAtOnce(context);
  return reach === 'ready' ? { ...started, password } : reach;
}

/** Undefined where no server runs on the folder, or the one that did has ended while we waited for its answer. */
async function adopt({ places }: Context, password: string): Promise<Running | Failure | undefined> {
  for (let waitedMs = 0; waitedMs < ANSWER_TIMEOUT_MS; waitedMs += POLL_MS) {
    const postmaster = await findPostmaster(places.cluster);
    if (postmaster === undefined) return undefined;
    const { pid, port } = postmaster;
    const reach = port === undefined ? 'starting' : await reachDatabase({ port, password });
    if (port !== undefined && reach === 'ready') return { ok: true, port, password, adoptedPid: pid };
    if (reach !== 'ready' && reach !== 'starting') return reach;
    await delay(POLL_MS);
  }
  return refuse(
    `A Postgres runs on ${places.cluster}, but it does not answer.`,
    `Look at ${places.log}; end it (the first line of ${places.cluster}/postmaster.pid is its process) and start again.`,
  );
}

function handle(
  context: Context,
  { port, password, adoptedPid }: Running,
  ownerLock: FileLock | undefined,
  notes: readonly string[],
): EmbeddedPostgres {
  const { places, log } = context;
  const supervision = supervise(context, port, ownerLock);
  let ended: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const supervised = await supervision.end();
    const startLock = await waitForFileLock(places.startLock, context.keeper, START_LOCK_TIMEOUT_MS);
    const owner = supervised ?? ownerLockOf(context);
    if (owner === undefined) log('The embedded Postgres is left running: another allocator uses it.');
    else if (!(await stopServer(context))) log(`The embedded Postgres did not stop; see ${places.log}.`);
    owner?.release();
    if (startLock.ok) startLock.lock?.release();
  };
  const leave = async (): Promise<void> => (await supervision.end())?.release();
  return {
    connectionString: connectionString({ port, password }),
    dataDir: places.dataDir,
    adopted: adoptedPid !== undefined,
    notes: adoptedPid === undefined ? notes : [...notes, adoptedNote(adoptedPid)],
    stop: () => (ended ??= stop()),
    leave: () => (ended ??= leave()),
  };
}

function ownerLockOf({ places, keeper }: Context): FileLock | undefined {
  const tried = tryFileLock(places.ownerLock, keeper);
  return tried.ok ? tried.lock : undefined;
}

const adoptedNote = (pid: number): string =>
  `The embedded Postgres was running already (process ${pid}) and is used as it is.`;

async function readPassword(path: string): Promise<string | Failure> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') return explainFileError(error, path, 'read its password');
    return refuse(
      `The password of the embedded Postgres is missing: there is no file ${path}.`,
      'Put it back (it belongs to the database and must be copied with it), or move the "postgres" folder away to begin with an empty database.',
    );
  }
}

function stuck(dataDir: string): Failure {
  return refuse(
    `Another process has been starting or stopping the embedded Postgres of ${dataDir} for ${START_LOCK_TIMEOUT_MS / 60_000} minutes.`,
    'Look what it is doing (ps ax | grep -e node -e postgres), end it, and start again.',
  );
}

function usedElsewhere(dataDir: string): Failure {
  return refuse(
    `Another allocator is using the data folder ${dataDir}, and its Postgres cannot be reached from here (another container?).`,
    'Stop it first, or give this one its own folder with DATA_DIR.',
  );
}

function diedAtOnce({ places }: Context): Failure {
  return refuse(
    'The embedded Postgres started and ended again at once.',
    `Its last words are in ${places.log}. Start again; if it stays so, set DATABASE_URL to a server of yours.`,
  );
}
