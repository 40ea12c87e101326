// A database that an earlier major of Postgres created: its rows are moved to a new one, with the programs of both. The old one stays
// beside it. Call it under the start lock, as the owner.
import { readFile, rename, rm } from 'node:fs/promises';
import { succeed, type Result } from '../../result.ts';
import { withDump } from '../dump/dump.ts';
import { loadDump } from '../dump/load.ts';
import { makeFolder, runInitdb, upgradePaths } from './cluster.ts';
import { refuse } from './failure.ts';
import type { Context } from './paths.ts';
import { startServer, stopServer } from './server.ts';
import { connectionString, reachDatabase } from './session.ts';

/** Fails where the programs of that major are not there: the message says how to bring them. */
export async function upgradeCluster(context: Context, major: number): Promise<Result> {
  const { paths, binaries, log } = context;
  const earlier = await context.earlier.find(major);
  if (earlier === null)
    return refuse(
      'wrong_files',
      `Postgres ${major} created the database in ${paths.home}, which is older than the Postgres ${binaries.major} of this allocator, and its programs are not here.`,
      `${context.earlier.howToInstall(major)} and start again: the database is moved then. Or start the version of the allocator that created it, make a backup with it (\`lablink backup\`), move ${paths.dataDir} away, and \`lablink restore\` it with this version.`,
    );
  log(`Moving the database from Postgres ${major} to Postgres ${binaries.major} ...`);
  const { fresh, old } = upgradePaths(paths, major);
  await rm(fresh, { recursive: true, force: true });
  await makeFolder(fresh, 0o700, context.account);
  const password = (await readFile(paths.password, 'utf8')).trim();
  const next: Context = { ...context, paths: { ...paths, cluster: fresh } };
  const created = await runInitdb(next.paths, password, context);
  if (!created.ok) return created;
  const before: Context = { ...context, binaries: earlier };
  const moved = await withServer(before, password, (from) =>
    withServer(next, password, (to) => moveRows(from, to)),
  );
  if (!moved.ok) return moved;
  await rename(paths.cluster, old);
  await rename(fresh, paths.cluster);
  log(`The database is on Postgres ${binaries.major}. The old one is ${old}: remove it when all is well.`);
  return succeed();
}

/** Runs the server of a cluster as long as `work` runs. */
async function withServer(
  context: Context,
  password: string,
  work: (url: string) => Promise<Result>,
): Promise<Result> {
  // An allocator that was killed may have left it running.
  await stopServer(context);
  const started = await startServer(context);
  if (!started.ok) return started;
  try {
    const port = started.value;
    const readiness = await reachDatabase({ port, password });
    if (readiness === 'ready') return await work(connectionString({ port, password }));
    if (readiness !== 'starting') return readiness;
    return refuse('unreachable', 'A Postgres started and ended again at once.', `See ${context.paths.log}.`);
  } finally {
    await stopServer(context);
  }
}

async function moveRows(from: string, to: string): Promise<Result> {
  const dumped = await withDump(from, ({ info, rowsOf, sequences }) =>
    loadDump({ connectionString: to, info, gap: 0 }, async ({ copy, setSequences }) => {
      for (const table of info.tables) await copy(table, rowsOf(table));
      await setSequences(await sequences());
      return succeed();
    }),
  );
  if (dumped.ok) return dumped.value;
  // No allocator has ever used it.
  return dumped.failure.code === 'empty' ? succeed() : dumped;
}
