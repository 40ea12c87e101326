// `make assets`: src/browser, templates/public and the parts of Tabler, uPlot and Swagger UI that the pages use -> dist/public,
// with names that contain a hash, and assets.json, which maps the names. And openapi.yaml -> dist/contract.json.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, type Plugin } from 'esbuild';
import { CURRENT_CONTRACT, readContract } from './documents.ts';
import { fitStylesheet } from './stylesheet.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
export const PUBLIC = join(root, 'dist/public');
const CONTRACT = join(root, 'dist/contract.json');
const NAMES = 'assets.json';

/** Tabler's stylesheet; only the rules that the pages use are kept. */
const fittedTabler: Plugin = {
  name: 'fitted Tabler',
  setup(given) {
    given.onLoad({ filter: /tabler\.min\.css$/ }, async ({ path }) => ({
      contents: await fitStylesheet(await readFile(path, 'utf8')),
      loader: 'css',
    }));
  },
};

/** Already minified, and large. */
const swaggerAsItIs: Plugin = {
  name: 'Swagger UI as it is',
  setup(given) {
    given.onLoad({ filter: /swagger-ui-bundle\.js$/ }, async ({ path }) => ({
      contents: await readFile(path),
      loader: 'copy',
    }));
  },
};

/** Builds all static files. Several processes may build them at the same time. */
export async function buildAssets(): Promise<void> {
  const { metafile, outputFiles } = await build({
    entryPoints: [
      'src/browser/pages/*.ts',
      'templates/public/*.css',
      'templates/public/*.svg',
      'swagger-ui-dist/swagger-ui.css',
      'swagger-ui-dist/swagger-ui-bundle.js',
    ],
    absWorkingDir: root,
    outdir: PUBLIC,
    entryNames: '[name].[hash]',
    chunkNames: 'chunk.[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    minify: true,
    metafile: true,
    write: false,
    charset: 'utf8',
    target: ['es2023', 'chrome115', 'firefox115', 'safari16'],
    loader: { '.svg': 'copy' },
    plugins: [fittedTabler, swaggerAsItIs],
  });
  await mkdir(PUBLIC, { recursive: true });
  const files = outputFiles.map(({ path, contents }) => ({ name: basename(path), contents }));
  for (const { name, contents } of files) await writeFile(join(PUBLIC, name), contents);
  await writeJson(CONTRACT, await readContract(CURRENT_CONTRACT));
  // Written last: the files exist before anything can read their names.
  await writeJson(join(PUBLIC, NAMES), namesOf(metafile));
  const kept = new Set([NAMES, ...files.map(({ name }) => name)]);
  for (const name of await readdir(PUBLIC))
    if (!kept.has(name) && !name.startsWith('.')) await rm(join(PUBLIC, name), { force: true });
}

/** Nothing can read half of it. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const half = join(dirname(path), `.${basename(path)}.${process.pid}`);
  await writeFile(half, JSON.stringify(value));
  await rename(half, path);
}

/** Name that the pages use → name with the hash. */
function namesOf({ outputs }: Metafile): Record<string, string> {
  const names: Record<string, string> = {};
  for (const [output, { entryPoint }] of Object.entries(outputs))
    if (entryPoint !== undefined) names[basename(entryPoint).replace(/\.ts$/, '.js')] = basename(output);
  return names;
}

if (import.meta.main) await buildAssets();
