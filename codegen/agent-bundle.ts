// `make agent`: src/agent -> dist/agent: one JavaScript file, one executable that needs no Node, and their checksums.
// Builds nothing if the sources have not changed. The optional argument is the output folder, by default dist/agent.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { constants, createGzip } from 'node:zlib';
import { build, type Format, type Plugin } from 'esbuild';
import { isRecord } from './json.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = resolve(process.argv[2] ?? join(root, 'dist/agent'));
const script = 'lablink-agent.mjs';
const executable = 'lablink-agent-linux-x64';
const stampName = '.built-from';
/** The executable is made from the Node binary that runs this program, so other platforms get no executable. */
const canBuildExecutable = process.platform === 'linux' && process.arch === 'x64';
/** Tells Node's binary that it contains a program; from Node's documentation of single executable applications. */
const SEA_FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const SEA_BLOB = 'NODE_SEA_BLOB';

/** The agent only needs the version from package.json. */
const versionOnly: Plugin = {
  name: 'version only',
  setup(given) {
    given.onLoad({ filter: /[\\/]package\.json$/ }, async ({ path }) => {
      const manifest: unknown = JSON.parse(await readFile(path, 'utf8'));
      const version = isRecord(manifest) ? manifest['version'] : undefined;
      return { contents: JSON.stringify({ version }), loader: 'json' };
    });
  },
};

async function bundle(format: Format, banner: string): Promise<string> {
  const result = await build({
    entryPoints: [join(root, 'src/agent/main.ts')],
    absWorkingDir: root,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format,
    charset: 'utf8',
    legalComments: 'eof',
    banner: { js: banner },
    plugins: [versionOnly],
  });
  const [file] = result.outputFiles;
  if (!file) throw new Error('esbuild made nothing');
  return file.text;
}

/** Creates the executable: a copy of Node's binary that contains the program. */
async function buildExecutable(program: string, target: string): Promise<void> {
  const work = `${target}.work`;
  await mkdir(work);
  const main = join(work, 'main.cjs');
  const blob = join(work, 'blob');
  const config = join(work, 'sea.json');
  await writeFile(main, program);
  await writeFile(
    config,
    JSON.stringify({ main, output: blob, disableExperimentalSEAWarning: true, useCodeCache: true }),
  );
  runQuietly(process.execPath, ['--experimental-sea-config', config]);
  await copyFile(process.execPath, target);
  await chmod(target, 0o755);
  const postject = join(root, 'node_modules/postject/dist/cli.js');
  runQuietly(process.execPath, [postject, target, SEA_BLOB, blob, '--sentinel-fuse', SEA_FUSE]);
  await rm(work, { recursive: true });
  runQuietly(target, ['--version']);
}

/** Shows the output only after a failure: both tools print warnings that need no action. */
function runQuietly(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe', env: {} });
}

async function compress(source: string): Promise<void> {
  const gzip = createGzip({ level: constants.Z_DEFAULT_COMPRESSION });
  await pipeline(createReadStream(source), gzip, createWriteStream(`${source}.gz`));
}

async function checksum(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

const asModule = await bundle('esm', '#!/usr/bin/env node');
const asScript = await bundle('cjs', '');
const builder = await readFile(fileURLToPath(import.meta.url));
const stamp = createHash('sha256')
  .update(asModule)
  .update(asScript)
  .update(builder)
  .update(`${process.version} ${process.platform} ${process.arch}`)
  .digest('hex');
const names = canBuildExecutable ? [script, executable, `${executable}.gz`] : [script];
async function isBuilt(): Promise<boolean> {
  const built = await readFile(join(out, stampName), 'utf8').catch(() => '');
  return built === stamp && names.every((name) => existsSync(join(out, name)));
}

/** Writes a temporary file and renames it, so that an incomplete program is never served. */
async function buildAll(): Promise<void> {
  const fresh = join(dirname(out), `.agent-${process.pid}`);
  await mkdir(fresh, { recursive: true });
  try {
    await writeFile(join(fresh, script), asModule, { mode: 0o755 });
    if (canBuildExecutable) {
      await buildExecutable(asScript, join(fresh, executable));
      await compress(join(fresh, executable));
    } else console.log('The executable is built on Linux x64 only; lablink-agent.mjs runs on any Node 24.');
    const sums = await Promise.all(
      names.map(async (name) => `${await checksum(join(fresh, name))}  ${name}\n`),
    );
    await writeFile(join(fresh, 'SHA256SUMS'), sums.join(''));
    await writeFile(join(fresh, stampName), stamp);
    // Another process may have built the same program meanwhile, and may already be serving it.
    if (await isBuilt()) return;
    await rm(out, { recursive: true, force: true });
    await rename(fresh, out);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

if (!(await isBuilt())) {
  console.log('Building the agent, the program that machines run, in dist (160 MB, about 10 seconds) ...');
  await buildAll();
}
