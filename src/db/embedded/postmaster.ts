// Finds the running server of a data folder. Postgres itself only checks whether a process with that number exists, which
// after a restart of the computer or the container can be any process.
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The port is undefined while the server has not written it yet. */
export type Postmaster = { readonly pid: number; readonly port: number | undefined };

export const PID_FILE = 'postmaster.pid';
/** Lines of the file, from 0: https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/utils/pidfile.h */
const PID_LINE = 0;
const PORT_LINE = 3;
const PS_TIMEOUT_MS = 5_000;

/** The server that runs on `cluster` (an absolute path without links); undefined where none does. */
export async function findPostmaster(cluster: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster, PID_FILE), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number.parseInt(lines[PID_LINE] ?? '', 10);
  const port = Number.parseInt(lines[PORT_LINE] ?? '', 10);
  if (!(pid > 0) || !(await isPostmasterOf(pid, cluster))) return undefined;
  return { pid, port: port > 0 ? port : undefined };
}

/** Whether this process is a Postgres that was started on this folder. A zombie is not: its command line is empty. */
async function isPostmasterOf(pid: number, cluster: string): Promise<boolean> {
  const command = await commandLine(pid);
  const program = command.split(' -D ', 1)[0] ?? '';
  return program.endsWith('/postgres') && `${command} `.includes(` -D ${cluster} `);
}

async function commandLine(pid: number): Promise<string> {
  const hasProc = await access('/proc/self/cmdline').then(
    () => true,
    () => false,
  );
  if (hasProc) {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return text.replaceAll('\0', ' ').trim();
  }
  const listed = promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
    timeout: PS_TIMEOUT_MS,
  });
  return listed.then(({ stdout }) => stdout.trim()).catch(() => '');
}
