// The server of a released version, as it is installed: a step of a release writes it. Tests run it beside this version.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompressSync, constants, createBrotliDecompress } from 'node:zlib';
import { transform } from 'esbuild';
import { extract, pack } from 'tar-stream';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = fileURLToPath(new URL('../fixtures/released-server.tar.br', import.meta.url));
/** Of `make bundle`: what serving reads. */
const PARTS = /^(?:src|templates|dist\/public)\/|^(?:dist\/contract\.json|openapi\.yaml|package\.json)$/;
/** A third of it, for one page. */
const LEFT_OUT = /^dist\/public\/swagger-ui/;

/** Writes the file, from the present version: a step of a release. */
export async function writeReleasedServer(): Promise<void> {
  for (const step of ['assets', 'bundle'])
    await promisify(execFile)(process.execPath, [`codegen/${step}.ts`], { cwd: ROOT });
  const bundle = join(ROOT, 'dist/lablink');
  const archive = pack();
  for (const name of (await readdir(bundle, { recursive: true })).sort()) {
    if (!PARTS.test(name) || LEFT_OUT.test(name)) continue;
    const content = await readFile(join(bundle, name)).catch(ifFolder);
    if (content === null) continue;
    const written = name.endsWith('.js') && name.startsWith('src/') ? await minify(content) : content;
    // So that the same sources make the same file.
    archive.entry({ name, mtime: new Date(0) }, written);
  }
  archive.finalize();
  const whole = await buffer(archive);
  const params = {
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: whole.length,
  };
  await writeFile(FILE, brotliCompressSync(whole, { params }));
}

function ifFolder(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'EISDIR') return null;
  throw error;
}

async function minify(source: Buffer): Promise<Buffer> {
  const { code } = await transform(source.toString(), {
    minify: true,
    format: 'esm',
    target: 'node24',
    charset: 'utf8',
    // They stand in files beside the programs.
    legalComments: 'none',
  });
  return Buffer.from(code);
}

/** Unpacks it into this folder. Returns its program, for `startProgram`. */
export async function unpackReleasedServer(folder: string): Promise<string> {
  const files = extract();
  const unpacked = (async () => {
    for await (const entry of files) {
      const path = join(folder, entry.header.name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, await buffer(entry));
    }
  })();
  await Promise.all([pipeline(createReadStream(FILE), createBrotliDecompress(), files), unpacked]);
  // Packages with a native part are not in it.
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'src/main.js');
}
