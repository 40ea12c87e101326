// The files of the data folder that a backup contains: what this installation generated and cannot generate again. Not the embedded
// database, which is dumped; nor what is downloaded or belongs to processes of this computer.
import { mkdir, open, readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail, succeed, type Result } from '../result.ts';
import { MAX_ENTRY_BYTES } from './archive.ts';
import { damaged } from './fault.ts';

export type KeptFile = { readonly path: string; readonly data: Uint8Array };

/** Paths in the data folder; a folder stands for what is in it. */
const KEPT = [
  'secret-key',
  'admin-password',
  'deployment-uid',
  'log-forwarder-token',
  'pulumi-passphrase',
  'ssh',
  'aws/state',
];
/** In the state of Pulumi: who works on it now, and copies of what it was. */
const LEFT_OUT = /^aws\/state\/\.pulumi\/(locks|history|backups)(\/|$)/;
const SAFE_PATH = /^[A-Za-z0-9._/-]+$/;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** A restore that was cut short has left this: the allocator does not start. */
const UNFINISHED = 'restore-unfinished';

/** @param configured contents of files by path, for secrets that the configuration sets instead */
export async function readKeptFiles(
  dataDir: string,
  configured: Readonly<Record<string, string>>,
): Promise<KeptFile[]> {
  const found = (await Promise.all(KEPT.map((path) => listFiles(dataDir, path)))).flat().sort();
  const files = await Promise.all(
    found
      .filter((path) => !(path in configured))
      .map(async (path) => ({ path, data: await readFile(join(dataDir, path)) })),
  );
  const given = Object.entries(configured).map(([path, text]) => ({ path, data: Buffer.from(`${text}\n`) }));
  return [...files, ...given];
}

async function listFiles(dataDir: string, path: string): Promise<string[]> {
  if (LEFT_OUT.test(path)) return [];
  const found = await stat(join(dataDir, path)).catch(missing);
  if (found === null) return [];
  if (found.isDirectory()) {
    const names = await readdir(join(dataDir, path));
    return (await Promise.all(names.map((name) => listFiles(dataDir, `${path}/${name}`)))).flat();
  }
  // A temporary file may have any name and be gone in a moment; a socket or a link is not ours.
  const isOurs = found.isFile() && !path.endsWith('.tmp') && SAFE_PATH.test(path);
  if (isOurs && found.size > MAX_ENTRY_BYTES) throw damaged(`${path} is too large for a backup`);
  return isOurs ? [path] : [];
}

/** Fails where the data folder has other contents in the place of one of these. */
export async function checkFree(dataDir: string, files: readonly KeptFile[]): Promise<Result> {
  const taken: string[] = [];
  for (const { path, data } of files) {
    const present = await readFile(join(dataDir, path)).catch(missing);
    if (present !== null && Buffer.compare(present, data) !== 0) taken.push(path);
  }
  if (taken.length === 0) return succeed();
  return fail({
    code: 'not_empty',
    message: `The data folder ${dataDir} belongs to another allocator: it has ${taken.join(', ')} with other contents.`,
    remedy: 'Stop that allocator and move its data folder away, or set DATA_DIR to a new folder.',
  });
}

/** Each file appears whole. */
export async function writeKeptFiles(dataDir: string, files: readonly KeptFile[]): Promise<void> {
  for (const { path, data } of files) {
    const target = join(dataDir, path);
    await mkdir(dirname(target), { recursive: true, mode: FOLDER_MODE });
    await writeWhole(target, data);
  }
}

async function writeWhole(target: string, data: Uint8Array): Promise<void> {
  const temporary = `${target}.tmp`;
  {
    await using file = await open(temporary, 'w', FILE_MODE);
    await file.writeFile(data);
    await file.sync();
  }
  await rename(temporary, target);
}

export async function markUnfinished(dataDir: string): Promise<void> {
  await writeWhole(join(dataDir, UNFINISHED), Buffer.from('See `lablink restore`.\n'));
}

/** The mark's path. */
export function unfinishedMark(dataDir: string): string {
  return join(dataDir, UNFINISHED);
}

/** Fails where a restore into this data folder was cut short. */
export async function checkFinished(dataDir: string): Promise<Result> {
  if ((await stat(join(dataDir, UNFINISHED)).catch(missing)) === null) return succeed();
  return fail({
    code: 'restore_unfinished',
    message: `A restore into ${dataDir} did not come to its end.`,
    remedy: 'Run the same `lablink restore` again. Or, to begin with nothing, set DATA_DIR to a new folder.',
  });
}

function missing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
    return null;
  throw error;
}
