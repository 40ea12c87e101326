// The first start after a restore: before anything is served, the restored rows are compared with the machines that exist.
import { endRestore, isRestorePending } from '../db/restored.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { Data } from './data.ts';
import { StartError, type AppContext } from './context.ts';

/** Throws StartError where the machines cannot be listed: a free machine of the backup may be gone, or have a participant. */
export async function compareRestored(
  { log, config }: Pick<AppContext, 'log' | 'config'>,
  { database: { db } }: Data,
  operations: Pick<OperationService, 'afterRestore'>,
): Promise<void> {
  if (!(await isRestorePending(db))) return;
  log.info({}, 'The database was restored from a backup: comparing it with the machines that exist.');
  try {
    await operations.afterRestore();
  } catch (error) {
    log.debug({ err: error }, 'The machines could not be listed.');
    const said = error instanceof Error ? error.message : String(error);
    throw new StartError({
      code: 'not_compared',
      message: `The database was restored from a backup, and must be compared with the machines that exist before anybody gets one; but they cannot be listed: ${said}`,
      remedy: `Correct that (PROVIDER=${config.provider}: its settings and credentials), and start again.`,
    });
  }
  await endRestore(db);
}
