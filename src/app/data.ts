// The first steps of every start: the data folder, and the database.
import type { Config } from '../config.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { openDatabase, type OpenDatabase } from '../db/open.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { definitionOf } from '../provision/providers.ts';
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
  const { config, log, env, platform, self } = context;
  const { dataDir, note } = required(await resolveDataDir({ dataDir: config.dataDir, env, platform }));
  if (note !== undefined) context.say(note);
  const shared = mayShare(config);
  const database = await openDatabase({
    lifecycle,
    log,
    url: config.database.kind === 'external' ? config.database.url : null,
    dataDir,
    poolSize: config.limits.databasePoolSize,
    mode: shared ? 'shared' : 'exclusive',
    env,
    platform,
    self,
    onTaken: (holder) => lost.abort(`another allocator (${holder}) has taken the database`),
  });
  return { dataDir, database: required(database), alone: !shared };
}

/** Several allocators can share a database only where nothing important is on the disk of one computer. */
function mayShare({ database, provider, secretKey, pulumi }: Config): boolean {
  const canShare = definitionOf(provider).canShare({ pulumi });
  return database.kind === 'external' && secretKey !== undefined && canShare;
}
