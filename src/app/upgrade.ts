// Before a new version changes a database that is in use: a backup, and how to go back to the old version with it.
import { join } from 'node:path';
import { backupName, makeBackup } from '../backup/make.ts';
import { secretKey } from '../secrets.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';
import { version } from '../version.ts';
import { backupSource } from './backup-source.ts';
import type { AppContext } from './context.ts';

const FOLDER = 'backups';
const LABEL = '-before-upgrade';

export async function backUpBeforeUpgrade(
  context: AppContext,
  where: { readonly dataDir: string; readonly connectionString: string },
  missing: readonly string[],
): Promise<Result> {
  const { config, say } = context;
  if (!config.backup.beforeUpgrade) return succeed();
  const key = await secretKey(config.secretKey, where.dataDir);
  if (!key.ok) return key;
  const { passphrase = key.value } = config.backup;
  say(`Version ${version} changes the database (${missing.join(', ')}): making a backup first ...`);
  const made = await makeBackup({
    source: backupSource(context, where),
    passphrase,
    place: join(where.dataDir, FOLDER),
    name: backupName(config.deployment, new Date(), LABEL),
  });
  if (!made.ok)
    return fail({
      code: 'no_backup',
      message: `No backup could be made before the database is changed. ${describeFailure(made.failure)}`,
      remedy: 'Correct that, or make a backup yourself and start with BACKUP_BEFORE_UPGRADE=false.',
    });
  say(
    `The backup is ${made.value.address}; its passphrase is ${keyOf(config)}. To go back: stop this version, move the data folder away (or create another database), and run \`lablink restore\` of the version that you had with this file (docs/operations.md).`,
  );
  return succeed();
}

function keyOf({ backup, secretKey: configured }: AppContext['config']): string {
  if (backup.passphrase !== undefined) return 'BACKUP_PASSPHRASE';
  return configured === undefined ? 'the file secret-key of the data folder' : 'the SECRET_KEY';
}
