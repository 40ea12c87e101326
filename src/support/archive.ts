// The file of a support bundle: a new one, readable by its owner alone, which any tar opens.
import { open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack as tarPack } from 'tar-stream';

export type BundleEntry = { readonly name: string; readonly text: string };

const MODE = 0o600;

/** Calls `entries` when the file is there, and removes it if that fails. Throws what the file system throws, such as EEXIST. */
export async function writeBundle(
  path: string,
  folder: string,
  entries: () => Promise<readonly BundleEntry[]>,
): Promise<void> {
  await using file = await open(path, 'wx', MODE);
  try {
    const pack = tarPack();
    for (const { name, text } of await entries())
      pack.entry({ name: `${folder}/${name}`, mode: MODE, mtime: new Date() }, text);
    pack.finalize();
    await pipeline(pack, createGzip(), (compressed) => file.writeFile(compressed));
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
