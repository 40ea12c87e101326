// `lablink backup` and `lablink restore`, and the backups that the server makes by itself.
import { resolve } from 'node:path';
import { BackupFault } from '../backup/fault.ts';
import { failureOf, makeBackup, type MadeBackup } from '../backup/make.ts';
import { openPlace, splitAddress } from '../backup/place.ts';
import { restoreBackup, type Restored } from '../backup/restore.ts';
import { startBackupSchedule } from '../backup/schedule.ts';
import { recordBackup } from '../db/backups.ts';
import { connectDatabase } from '../db/connect.ts';
import { startEmbeddedPostgres } from '../db/embedded/start.ts';
import type { Lifecycle } from '../lifecycle.ts';
import { fail, succeed, type Result } from '../result.ts';
import { backupSource } from './backup-source.ts';
import { clockOf, required, type AppContext } from './context.ts';
import { openDataDir, openForRestore, type Data } from './data.ts';

/** Makes backups at intervals, where that is configured. */
export async function openBackups(context: AppContext, lifecycle: Lifecycle, data: Data): Promise<void> {
  const { config, log } = context;
  const { everyHours, passphrase, place, keep } = config.backup;
  if (everyHours === 0 || passphrase === undefined) return;
  const { db, connectionString } = data.database;
  const source = backupSource(context, { dataDir: data.dataDir, connectionString });
  await lifecycle.acquire(
    'backups',
    () =>
      startBackupSchedule({
        ...{ db, source, passphrase, place, everyHours, keep, log },
        now: clockOf(context),
      }),
    (schedule) => schedule.close(),
  );
}

/** Works while the server runs, and while it does not. @param address a path, or s3://bucket/name */
export async function backUp(
  context: AppContext,
  address: string,
  passphrase: string,
): Promise<Result<MadeBackup>> {
  const dataDir = await openDataDir(context);
  await using server = required(await reachDatabase(context, dataDir));
  const { connectionString } = server;
  const made = await makeBackup({
    source: backupSource(context, { dataDir, connectionString }),
    passphrase,
    ...splitAddress(absolute(address)),
  });
  if (made.ok) await record(connectionString, made.value);
  return made;
}

async function record(connectionString: string, { address, at, bytes }: MadeBackup): Promise<void> {
  const db = connectDatabase({
    connectionString,
    poolSize: 1,
    applicationName: 'lablink backup',
    onIdleError: () => undefined,
  });
  try {
    await recordBackup(db, { kind: 'command', place: address, at, bytes });
  } finally {
    await db.destroy();
  }
}

type Reached = AsyncDisposable & { readonly connectionString: string };

/** The database, without the right to serve it: an allocator may be doing that. */
async function reachDatabase(context: AppContext, dataDir: string): Promise<Result<Reached>> {
  const { config, env, platform, log } = context;
  if (config.database.kind === 'external') {
    const { url, directUrl = url } = config.database;
    return succeed({ connectionString: directUrl, [Symbol.asyncDispose]: () => Promise.resolve() });
  }
  const started = await startEmbeddedPostgres({
    dataDir,
    env,
    platform,
    log: (line) => log.info({}, line),
  });
  if (!started.ok) return started;
  const { connectionString, stop } = started.value;
  return succeed({ connectionString, [Symbol.asyncDispose]: stop });
}

/** Into an empty data folder and an empty database, which nobody serves meanwhile. @param address as of `backUp` */
export async function restore(
  context: AppContext,
  lifecycle: Lifecycle,
  address: string,
  passphrase: string,
): Promise<Result<Restored>> {
  const { place, name } = splitAddress(absolute(address));
  try {
    return await restoreBackup({
      input: await (await openPlace(place)).read(name),
      passphrase,
      secretKey: context.config.secretKey,
      deployment: context.config.deployment,
      say: context.say,
      openTarget: async () => {
        const dataDir = await openDataDir(context);
        return { dataDir, connect: () => openForRestore(context, lifecycle, dataDir) };
      },
    });
  } catch (error) {
    if (error instanceof BackupFault || (error instanceof Error && 'syscall' in error))
      return fail(failureOf(error, address));
    throw error;
  }
}

function absolute(address: string): string {
  return address.startsWith('s3://') ? address : resolve(address);
}
