import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyFolder } from '../../src/agent/empty-folder.ts';

let home: string;
let folder: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lablink-empty-'));
  folder = join(home, 'Desktop');
  await mkdir(folder, { mode: 0o755 });
});
afterEach(() => rm(home, { recursive: true, force: true }));

test('everything in the folder is deleted, whatever its name and depth, and the folder itself stays unchanged', async () => {
  await mkdir(join(folder, 'a/b/c'), { recursive: true });
  await writeFile(join(folder, 'a/b/c/work.txt'), 'work');
  await writeFile(join(folder, '.hidden'), 'x');
  await writeFile(
    Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x66, 0xff, 0xfe])]),
    'no text in its name',
  );
  await mkdir(join(folder, 'closed'));
  await writeFile(join(folder, 'closed/inside'), 'x');
  await chmod(join(folder, 'closed'), 0o000);
  const before = await stat(folder);
  expect(await emptyFolder(folder)).toEqual({ removed: 8, failures: [] });
  expect(await readdir(folder)).toEqual([]);
  const { ino, mode } = await stat(folder);
  expect({ ino, mode }).toEqual({ ino: before.ino, mode: before.mode });
});

test('links are deleted, and their targets are not touched', async () => {
  const outside = join(home, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'precious'), 'keep me');
  await symlink(outside, join(folder, 'folder-link'));
  await symlink(join(outside, 'precious'), join(folder, 'file-link'));
  await symlink('/nowhere', join(folder, 'dangling'));
  expect(await emptyFolder(folder)).toEqual({ removed: 3, failures: [] });
  expect(await readFile(join(outside, 'precious'), 'utf8')).toBe('keep me');
});

test('a folder that was replaced by a link is refused', async () => {
  const outside = join(home, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'precious'), 'keep me');
  await rm(folder, { recursive: true });
  await symlink(outside, folder);
  const { removed, failures } = await emptyFolder(folder);
  expect(removed).toBe(0);
  expect(failures).toHaveLength(1);
  expect(await readdir(outside)).toEqual(['precious']);
});

test('a folder that does not exist counts as empty', async () => {
  expect(await emptyFolder(join(home, 'nothing'))).toEqual({ removed: 0, failures: [] });
});

/** Marking a file immutable, or mounting, needs root and a file system that knows it. */
function can(...command: [string, ...string[]]): boolean {
  try {
    const [program, ...args] = command;
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('what cannot be deleted is reported, and everything else is deleted', async (context) => {
  await mkdir(join(folder, 'deep'));
  const stubborn = join(folder, 'deep/stubborn');
  await writeFile(stubborn, 'x');
  await writeFile(join(folder, 'a'), 'x');
  await writeFile(join(folder, 'z'), 'x');
  if (!can('chattr', '+i', stubborn)) return context.skip('files cannot be made immutable here');
  try {
    expect(await emptyFolder(folder)).toEqual({ removed: 2, failures: [`${stubborn}: EPERM`] });
    expect(await readdir(folder)).toEqual(['deep']);
  } finally {
    can('chattr', '-i', stubborn);
  }
});

test('what is mounted in the folder stays, and is not a failure', async (context) => {
  const shared = join(folder, 'data/shared');
  await mkdir(shared, { recursive: true });
  await writeFile(join(folder, 'own'), 'x');
  if (!can('mount', '-t', 'tmpfs', 'tmpfs', shared)) return context.skip('nothing can be mounted here');
  try {
    await writeFile(join(shared, 'precious'), 'keep me');
    expect(await emptyFolder(folder)).toEqual({ removed: 1, failures: [] });
    expect(await readFile(join(shared, 'precious'), 'utf8')).toBe('keep me');
  } finally {
    can('umount', shared);
  }
});
