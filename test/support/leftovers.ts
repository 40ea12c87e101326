// Creates temporary folders for tests that start servers, and cleans up after killed test runs, for which vitest runs no
// teardown.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { chmod, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDER = /^lablink-test-(\d+)-/;
/** The file system in memory of Linux. */
export const IN_MEMORY = '/dev/shm';

/** Creates a folder that the user who runs Postgres may pass through. The caller removes it. `runPid`: the test run. */
export async function makeTemporaryFolder(runPid: number): Promise<string> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), `lablink-test-${runPid}-`));
  await chmod(folder, 0o711);
  return folder;
}

/** The Postgres servers whose data is below a folder. */
export function postgresIn(folder: string): { pid: number; command: string }[] {
  const all = process.platform === 'linux' ? listProc() : listPs();
  return all.filter(({ command }) => command.includes('postgres -D ') && command.includes(folder));
}

/** Stops the servers of test runs that no longer run, and removes their folders. */
export async function endLeftovers(): Promise<void> {
  for (const place of new Set([await realpath(tmpdir()), IN_MEMORY])) await endLeftoversIn(place);
}

async function endLeftoversIn(place: string): Promise<void> {
  for (const name of await readdir(place).catch(() => [])) {
    const maker = FOLDER.exec(name)?.[1];
    if (maker === undefined || isAlive(Number(maker))) continue;
    const folder = join(place, name);
    for (const { pid } of postgresIn(folder)) process.kill(pid, 'SIGQUIT');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function listProc(): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return [{ pid: Number(name), command }];
    } catch {
      return [];
    }
  });
}

function listPs(): { pid: number; command: string }[] {
  const { stdout } = spawnSync('ps', ['-axww', '-o', 'pid=,command=']);
  return stdout
    .toString()
    .split('\n')
    .map((line) => ({ pid: Number.parseInt(line, 10), command: line }));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
