// Restores a backup. It is read once, into one transaction, which commits only what was seen to be whole; files are written just before.
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { checkLoadable, loadDump } from '../db/dump/load.ts';
import { markRestored } from '../db/restored.ts';
import { fail, succeed, type Result } from '../result.ts';
import {
  checkFinished,
  checkFree,
  markUnfinished,
  unfinishedMark,
  writeKeptFiles,
  type KeptFile,
} from './files.ts';
import type { Manifest } from './manifest.ts';
import { openBackup } from './read.ts';

export type RestoreOptions = {
  readonly input: Readable;
  readonly passphrase: string;
  /** As configured here; undefined = the one in the data folder counts. */
  readonly secretKey: string | undefined;
  readonly deployment: Manifest['deployment'];
  readonly say: (line: string) => void;
  /** Creates the data folder, if it is missing. */
  readonly openTarget: () => Promise<{
    readonly dataDir: string;
    /** Starts the database, with the right to use it alone. */
    readonly connect: () => Promise<{ readonly connectionString: string }>;
  }>;
};

export type Restored = { readonly manifest: Manifest; readonly dataDir: string };

/** Pages that are open have seen later numbers than the backup has. */
const SEQUENCE_GAP = 1_000_000_000;
const SECRET_KEY_FILE = 'secret-key';

/** Throws BackupFault where the backup cannot be read: nothing was changed then. */
export async function restoreBackup(options: RestoreOptions): Promise<Result<Restored>> {
  const { input, passphrase, say } = options;
  await using backup = await openBackup(input, passphrase);
  const { manifest, files } = backup;
  say(
    `The backup was made at ${manifest.at} by version ${manifest.version}, of ${manifest.deployment.name}-${manifest.deployment.environment}, on Postgres ${manifest.postgres}.`,
  );
  const usable = checkUsable(options, manifest, files);
  if (!usable.ok) return usable;
  const { dataDir, connect } = await options.openTarget();
  const free = await checkFree(dataDir, files);
  if (!free.ok) return free;
  const { connectionString } = await connect();
  say('Restoring ...');
  const loaded = await loadDump(
    { connectionString, info: manifest, gap: SEQUENCE_GAP, finish: markRestored },
    async ({ copy, setSequences }) => {
      const { sequences } = await marked(dataDir, () => backup.readRows(copy));
      await setSequences(sequences);
      await writeKeptFiles(dataDir, files);
      return succeed();
    },
  );
  if (!loaded.ok) return loaded;
  await rm(unfinishedMark(dataDir));
  return succeed({ manifest, dataDir });
}

/**
 * A backup that is not whole leaves the folder as it was: its rows are rolled back, and it has written no file. Where an earlier restore
 * has written some, the mark stays.
 */
async function marked<T>(dataDir: string, read: () => Promise<T>): Promise<T> {
  const wasFinished = (await checkFinished(dataDir)).ok;
  await markUnfinished(dataDir);
  try {
    return await read();
  } catch (error) {
    if (wasFinished) await rm(unfinishedMark(dataDir), { force: true });
    throw error;
  }
}

function checkUsable(
  { secretKey, deployment }: RestoreOptions,
  manifest: Manifest,
  files: readonly KeptFile[],
): Result {
  const { name, environment } = manifest.deployment;
  // Its machines are found by these names: under others, all of them would seem to be gone.
  if (name !== deployment.name || environment !== deployment.environment)
    return fail({
      code: 'other_deployment',
      message: `The backup is of the deployment ${name}-${environment}; this one is ${deployment.name}-${deployment.environment}.`,
      remedy: `Set DEPLOYMENT=${name} and ENVIRONMENT=${environment} (or what sets them in the config file).`,
    });
  const loadable = checkLoadable(manifest);
  if (!loadable.ok || secretKey === undefined) return loadable;
  const kept = files.find(({ path }) => path === SECRET_KEY_FILE);
  if (kept === undefined || Buffer.from(kept.data).toString('utf8').trim() === secretKey) return succeed();
  return fail({
    code: 'other_secret_key',
    message: 'The backup was made with another SECRET_KEY than the one that is set here.',
    remedy:
      'Leave SECRET_KEY out: the restore brings it into the data folder. Or set it to that of the backup.',
  });
}
