// What the health of the server says of backups.
import type { Config } from '../config.ts';
import { tryReadBackupState } from '../db/backups.ts';
import type { Db } from '../db/connect.ts';
import type { HealthCheck } from '../handlers/system.ts';

const HOUR_SECONDS = 3_600;
/** One was missed, and the next one has had an hour. */
const LATE_SECONDS = HOUR_SECONDS;

/** Warnings: machines are given whatever becomes of backups. */
export function backupChecks({ everyHours }: Config['backup'], db: Db): HealthCheck[] {
  if (everyHours === 0) return [];
  const check = async (): Promise<string | null> => {
    const state = await tryReadBackupState(db);
    if (state === null) return null;
    if (state.problem !== null) return `The last scheduled backup failed. ${state.problem}`;
    const age = state.scheduledAgeSeconds;
    if (age === null || age < everyHours * HOUR_SECONDS + LATE_SECONDS) return null;
    return `The newest scheduled backup is ${Math.floor(age / HOUR_SECONDS)} hours old, although one is made every ${everyHours} hours. Look into the log of the server.`;
  };
  return [{ name: 'backup', check, isWarning: true }];
}
