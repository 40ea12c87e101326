// What a backup of this allocator contains.
import type { BackupSource } from '../backup/write.ts';
import { version } from '../version.ts';
import type { AppContext } from './context.ts';

/** The files of the data folder that settings stand for: a restored server has them whatever its configuration is. */
const SECRET_KEY_FILE = 'secret-key';
const PASSPHRASE_FILE = 'pulumi-passphrase';

export function backupSource(
  { config }: Pick<AppContext, 'config'>,
  where: Pick<BackupSource, 'dataDir' | 'connectionString'>,
): BackupSource {
  const { name, environment } = config.deployment;
  return {
    ...where,
    configured: {
      ...(config.secretKey !== undefined && { [SECRET_KEY_FILE]: config.secretKey }),
      ...(config.pulumi.passphrase !== undefined && { [PASSPHRASE_FILE]: config.pulumi.passphrase }),
    },
    deployment: { name, environment },
    version,
  };
}
