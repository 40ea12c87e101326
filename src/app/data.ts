// The first steps of every start: the data folder, and the database in it or elsewhere.
import type { Config } from '../config.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { openDatabase, type OpenDatabase } from '../db/open.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { StartRefused, type Environment } from './environment.ts';

export type Data = {
  /** Where everything that is kept really is; absolute. */
  readonly dataDir: string;
  readonly database: OpenDatabase;
  /** False where other allocators may serve the same database. */
  readonly alone: boolean;
};

/** @param lost aborted when another allocator has taken the database from under us */
export async function openData(
  environment: Environment,
  lifecycle: Lifecycle,
  lost: AbortController,
): Promise<Data> {
  const { config, log, env, machine, self } = environment;
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, machine });
  if (!folder.ok) throw new StartRefused(folder.problem.message, folder.problem.remedy);
  if (folder.note !== undefined) environment.say(folder.note);
  const shared = mayShare(config);
  const database = await openDatabase({
    lifecycle,
    log,
    url: config.database.kind === 'external' ? config.database.url : null,
    dataDir: folder.dataDir,
    poolSize: config.limits.databasePoolSize,
    mode: shared ? 'shared' : 'exclusive',
    env,
    machine,
    self,
    onTaken: (who) => lost.abort(`another allocator (${who}) has taken the database`),
  });
  if (!database.ok) throw new StartRefused(database.problem.message, database.problem.remedy);
  return { dataDir: folder.dataDir, database, alone: !shared };
}

/** Several allocators can share a database only where nothing that matters is on one computer's disk. */
function mayShare({ database, provider, secretKey, pulumi }: Config): boolean {
  const stateIsShared = provider === 'external' || pulumi.backendUrl?.startsWith('s3://') === true;
  return database.kind === 'external' && provider !== 'local' && secretKey !== undefined && stateIsShared;
}
