// Why a backup cannot be made, read or kept, for the person who asked for it.
import type { Failure } from '../result.ts';

/** Thrown through streams; becomes the failure of a result where they end. */
export class BackupFault extends Error {
  readonly failure: Failure;
  constructor(failure: Failure, cause?: unknown) {
    super(failure.message, { cause });
    this.name = 'BackupFault';
    this.failure = failure;
  }
}

export function damaged(detail: string, cause?: unknown): BackupFault {
  return new BackupFault(
    {
      code: 'damaged',
      message: `The backup is damaged or incomplete: ${detail}.`,
      remedy: 'Nothing was changed. Use another copy of it, or another backup.',
    },
    cause,
  );
}

/** The header says only that no key fits. */
export function unopenable(cause: unknown): BackupFault {
  return new BackupFault(
    {
      code: 'not_opened',
      message:
        'The backup cannot be opened: the passphrase is wrong, or the beginning of the file is damaged.',
      remedy:
        'Nothing was changed. Use the passphrase with which it was made (BACKUP_PASSPHRASE, or --passphrase-file).',
    },
    cause,
  );
}
