// Which codes start-host stand-ins were given: a code works once, whichever machine uses it. One empty file per code,
// named by its hash, in a folder that all local VMs share.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Google's codes live for minutes; after this nobody tries one again. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** Marks a code as used. `used-before`: it was marked already, by whichever machine. */
export async function useCode(folder: string, code: string): Promise<'first-use' | 'used-before'> {
  await mkdir(folder, { recursive: true });
  const name = createHash('sha256').update(code).digest('hex');
  try {
    const file = await open(join(folder, name), 'wx');
    await file.close();
    return 'first-use';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return 'used-before';
    throw error;
  }
}

/** Forgets codes that are long dead. `nowMs` is in milliseconds since 1970. */
export async function forgetOldCodes(folder: string, nowMs: number): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && nowMs - found.mtimeMs > KEPT_MS) await rm(path, { force: true });
  }
}
