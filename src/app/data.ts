// The first steps of every start: the data folder, and the database.
import { checkFinished } from '../backup/files.ts';
import type { Config } from '../config.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { openDatabase, openServer, type OpenDatabase, type OpenOptions, type Server } from '../db/open.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { definitionOf } from '../provision/providers.ts';
import { backUpBeforeUpgrade } from './upgrade.ts';
import { required, type AppContext } from './context.ts';

export type Data = {
  /** The real folder, absolute. */
  readonly dataDir: string;
  readonly database: OpenDatabase;
  /** False where other allocators may serve the same database. */
  readonly alone: boolean;
};

/** @param lost aborted when another allocator has taken the database */
export async function openData(
  context: AppContext,
  lifecycle: Lifecycle,
  lost: AbortController,
): Promise<Data> {
  const { config } = context;
  const dataDir = await openDataDir(context);
  required(await checkFinished(dataDir));
  const whyAlone = whyNotShared(config);
  const database = await openDatabase({
    ...optionsOf(context, lifecycle, dataDir),
    whyAlone,
    onTaken: (holder) => lost.abort(`another allocator (${holder}) has taken the database`),
    beforeMigrating: (connectionString, missing) =>
      backUpBeforeUpgrade(context, { dataDir, connectionString }, missing),
  });
  return { dataDir, database: required(database), alone: whyAlone !== null };
}

/**
 * Of the embedded server while it restores. Nobody replicates it, so tables that the same transaction has created are written once, and
 * not to the log as well; they are on the disk before the transaction is.
 */
const RESTORING = { wal_level: 'minimal', max_wal_senders: '0' };

/** For a restore: the database, alone, whatever is in it. */
export async function openForRestore(
  context: AppContext,
  lifecycle: Lifecycle,
  dataDir: string,
): Promise<Server> {
  const server = await openServer({
    ...optionsOf(context, lifecycle, dataDir),
    settings: RESTORING,
    whyAlone: 'a restore needs it alone',
    onTaken: () => undefined,
  });
  return required(server);
}

/** The real folder, absolute. Throws StartError. */
export async function openDataDir({ config, env, platform, say }: AppContext): Promise<string> {
  const { dataDir, note } = required(await resolveDataDir({ dataDir: config.dataDir, env, platform }));
  if (note !== undefined) say(note);
  return dataDir;
}

function optionsOf({ config, log, env, platform, self }: AppContext, lifecycle: Lifecycle, dataDir: string) {
  const poolSize = config.limits.databasePoolSize;
  return { lifecycle, log, ...addressesOf(config), dataDir, poolSize, env, platform, self };
}

function addressesOf({ database }: Config): Pick<OpenOptions, 'url' | 'directUrl'> {
  if (database.kind === 'embedded') return { url: null, directUrl: null };
  return { url: database.url, directUrl: database.directUrl ?? null };
}

/** Several allocators can share a database only where nothing important is on the disk of one computer. */
function whyNotShared({ database, provider, secretKey, admin, pulumi }: Config): string | null {
  if (database.kind === 'embedded') return 'its database is in its data folder';
  if (secretKey === undefined) return 'SECRET_KEY is not set, so it has a key of its own';
  if (admin.password === undefined) return 'ADMIN_PASSWORD is not set, so it has a password of its own';
  return definitionOf(provider).whyNotShared({ pulumi });
}
