// The settings of backups.
import { z } from 'zod';
import { env } from './setting.ts';
import { backupPlace, flag, longPassphrase, wholeNumber } from './rules.ts';

export const backupSettings = z.object({
  everyHours: env('BACKUP_EVERY_HOURS', wholeNumber(0, 8_760, 'hours'), {
    default: 0,
    meaning:
      'The server makes a backup this often, also of its database; `0`: never. Needs `BACKUP_PASSPHRASE`.',
  }),
  place: env('BACKUP_DIR', backupPlace, {
    otherwise: '`DATA_DIR/backups`, which is lost with the disk',
    meaning:
      'Where these backups are kept: a folder, better one on another computer, or `s3://bucket/prefix` (credentials as for AWS; `?region=` names another region).',
  }),
  keep: env('BACKUP_KEEP', wholeNumber(1, 10_000, 'backups'), {
    default: 14,
    meaning: 'How many of these backups are kept: the newest.',
  }),
  passphrase: env('BACKUP_PASSPHRASE', longPassphrase, {
    otherwise: 'none: `lablink backup` and `lablink restore` ask for it',
    meaning: 'Encrypts backups. Keep it in another place than they are: without it nobody can open them.',
    secret: true,
  }),
  beforeUpgrade: env('BACKUP_BEFORE_UPGRADE', flag, {
    default: true,
    meaning:
      'Whether a new version that must change the database makes a backup first, in `DATA_DIR/backups`. Its passphrase is `BACKUP_PASSPHRASE`, else the `SECRET_KEY`.',
  }),
});
