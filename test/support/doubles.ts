// The programs among the test doubles: the engine and the AWS plugin. A test run bundles them once, because it starts them hundreds
// of times: a start of the plugin takes 0.09 instead of 0.21 s of processor time, and 80 instead of 125 MB.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { UNUSED_PACKAGES } from '../../src/provision/engine/child/unused-packages.ts';
import { VERSION } from '../doubles/engine/snapshot.ts';

const SOURCE = join(import.meta.dirname, '../doubles');
/** The folder with the bundled doubles, which the global setup makes for all test files. */
const FOLDER_VARIABLE = 'LABLINK_TEST_DOUBLES';

/** Contains `pulumi/bin/pulumi` and `pulumi-resource-aws`. Outside of a test run, they run from source. */
export function doublesFolder(): string {
  return process.env[FOLDER_VARIABLE] ?? SOURCE;
}

/** CommonJS packages use names that modules do not have. */
const COMMONJS_NAMES = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);
const { dirname: __dirname, filename: __filename } = import.meta;`;

/** Pulumi's SDK loads them, and the doubles use as little of it as the allocator does. */
const withoutUnusedPackages: Plugin = {
  name: 'without unused packages',
  setup(given) {
    const names = UNUSED_PACKAGES.map((name) => basename(name, '.js'));
    given.onResolve({ filter: new RegExp(`(?:^|/)(?:${names.join('|')})$`) }, ({ path }) => ({
      path,
      namespace: 'unused',
    }));
    given.onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** Bundles the doubles and names their folder to the workers of a test run. */
export async function provideDoubles(): Promise<AsyncDisposable> {
  const parent = await mkdtemp(join(tmpdir(), 'lablink-doubles-'));
  const folder = join(parent, 'doubles');
  await bundleDoubles(folder);
  process.env[FOLDER_VARIABLE] = folder;
  return { [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true, maxRetries: 5 }) };
}

async function bundleDoubles(folder: string): Promise<void> {
  const start = (program: string) =>
    `NODE_COMPILE_CACHE=${folder}/compiled NODE_NO_WARNINGS=1 exec ${process.execPath} ${folder}/${program}/main.mjs "$@"`;
  await build({
    entryPoints: ['engine/main.ts', 'aws/main.ts'],
    absWorkingDir: SOURCE,
    outdir: folder,
    outbase: SOURCE,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    charset: 'utf8',
    // The AWS SDK as modules, of which only what is used becomes part of the bundle.
    mainFields: ['module', 'main'],
    banner: { js: COMMONJS_NAMES },
    plugins: [withoutUnusedPackages],
    logLevel: 'warning',
  });
  await writeProgram(join(folder, 'pulumi/bin/pulumi'), [
    // As the script of the source does it.
    `if [ "$1" = version ]; then echo v${VERSION}; exit 0; fi`,
    start('engine'),
  ]);
  await writeProgram(join(folder, 'pulumi-resource-aws'), [start('aws')]);
}

async function writeProgram(path: string, lines: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
}
