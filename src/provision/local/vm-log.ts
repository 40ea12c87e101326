// The log files of local VMs: lines are appended at once, so that none is lost when the process is killed.
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AgentLog } from '../../agent/options.ts';

/** A larger log is renamed before a start. */
const LOG_LIMIT_BYTES = 4 * 1024 * 1024;
const FILE_MODE = 0o600;

/** Creates the folder of a log, and renames a log that has become too large. */
export function prepareLog(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_LIMIT_BYTES) renameSync(path, `${path}.1`);
}

export function openVmLog(path: string): AgentLog {
  const write = (level: string) => (message: string) => {
    try {
      appendFileSync(path, `${new Date().toISOString()} ${level} ${message}\n`, { mode: FILE_MODE });
    } catch {
      // A full disk must not end the VM.
    }
  };
  return { info: write('INFO'), warn: write('WARNING'), error: write('ERROR') };
}
