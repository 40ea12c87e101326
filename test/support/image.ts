// The container image, without Docker: buildah builds the Dockerfile, runc starts it. Its base images, which CI does not download, are made
// by mmdebstrap (only unpacked: quick, and enough for them) and get the names that the Dockerfile gives them.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');
const PROGRAMS = ['/usr/bin/buildah', '/usr/sbin/runc', '/usr/bin/mmdebstrap'];
export const canBuildImages = process.getuid?.() === 0 && PROGRAMS.every((path) => existsSync(path));

const BASE = join(root, '.cache/debian-bookworm-base.tar');
const BASE_PACKAGES =
  'base-files,base-passwd,bash,coreutils,dash,debianutils,findutils,grep,hostname,libc-bin,libstdc++6,login,passwd,sed,util-linux';
/** Debian's own image has no manuals and translations. */
const LEFT_OUT = ['man', 'locale', 'doc', 'info'].map(
  (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
);
const FOLDERS = [
  'opt',
  'tmp',
  'root',
  'proc',
  'sys',
  'dev',
  'run',
  'usr/local/bin',
  'usr/local/lib/node_modules',
];
const TAG = 'lablink:test';
const MB = 1_000_000;

const inspected = z.object({
  Docker: z.object({
    config: z.object({
      User: z.string(),
      Env: z.array(z.string()),
      Entrypoint: z.array(z.string()),
      Cmd: z.array(z.string()),
      WorkingDir: z.string(),
      Volumes: z.record(z.string(), z.unknown()),
      Healthcheck: z.object({ Test: z.array(z.string()) }),
    }),
  }),
});
type ImageConfig = z.infer<typeof inspected>['Docker']['config'];

export type Image = AsyncDisposable & {
  readonly config: ImageConfig;
  /** Megabytes: with its base, and without. */
  readonly size: { readonly whole: number; readonly own: number };
  /** Starts it with a read-only root file system and without capabilities, in the network of this computer. */
  readonly start: (env: Readonly<Record<string, string>>) => Promise<Container>;
};

type Container = AsyncDisposable & {
  /** Runs a command in it; fails if that fails. */
  readonly exec: (command: readonly string[]) => Promise<string>;
  readonly output: () => string;
  /** Asks it to stop. @returns its exit code */
  readonly stop: () => Promise<number | null>;
};

export async function buildImage(): Promise<Image> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-image-'));
  const store = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')];
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  const buildah = async (...args: readonly string[]): Promise<string> => {
    const options = { cwd: root, env, maxBuffer: 64 * MB };
    return (await promisify(execFile)('buildah', [...store, ...args], options)).stdout.trim();
  };
  const debian = await makeBases(buildah, await readFile(join(root, 'Dockerfile'), 'utf8'));
  const secrets = await npmSecrets(folder);
  const cache = join(homedir(), '.npm');
  await mkdir(cache, { recursive: true });
  await buildah(
    ...['build', '--format', 'docker', '--pull-never', '--network', 'host', '--tag', TAG],
    ...secrets.flatMap((secret) => ['--secret', secret]),
    ...['--volume', `${cache}:/var/cache/npm`, '.'],
  );
  const { config } = inspected.parse(JSON.parse(await buildah('inspect', '--type', 'image', TAG))).Docker;
  const [whole, base] = await Promise.all([TAG, debian].map((name) => sizeOf(buildah, name)));
  const rootfs = await buildah('mount', await buildah('from', '--pull-never', TAG));
  return {
    config,
    size: { whole: whole ?? 0, own: (whole ?? 0) - (base ?? 0) },
    start: (variables) => startContainer(folder, rootfs, config, variables),
    [Symbol.asyncDispose]: async () => {
      await buildah('rm', '--all');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Buildah = (...args: readonly string[]) => Promise<string>;

/** The two images that the Dockerfile starts from: Debian, and Debian with Node and npm. @returns the name of the first */
async function makeBases(buildah: Buildah, dockerfile: string): Promise<string> {
  const from = (what: string): string =>
    new RegExp(`^FROM (\\S+/${what}:\\S+)`, 'm').exec(dockerfile)?.[1] ?? `no ${what}`;
  const debian = from('debian');
  if (!existsSync(BASE)) await unpackDebian();
  const container = await buildah('from', 'scratch');
  const files = await buildah('mount', container);
  await promisify(execFile)('tar', ['-xf', BASE, '-C', files]);
  for (const folder of FOLDERS) await mkdir(join(files, folder), { recursive: true });
  // A script of its package, which is not run, makes them.
  for (const name of ['passwd', 'group'])
    await cp(join(files, `usr/share/base-passwd/${name}.master`), join(files, 'etc', name));
  await buildah('commit', '--quiet', container, debian);
  await cp(process.execPath, join(files, 'usr/local/bin/node'));
  const npm = join(root, '.tools/node_modules/npm');
  await cp(npm, join(files, 'usr/local/lib/node_modules/npm'), { recursive: true });
  await symlink('../lib/node_modules/npm/bin/npm-cli.js', join(files, 'usr/local/bin/npm'));
  await buildah('commit', '--quiet', '--rm', container, from('node'));
  return debian;
}

async function unpackDebian(): Promise<void> {
  const half = `${BASE}.${process.pid}.tar`;
  const options = ['--quiet', '--variant=extract', `--include=${BASE_PACKAGES}`, ...LEFT_OUT];
  await promisify(execFile)('mmdebstrap', [...options, 'bookworm', half]);
  await rename(half, BASE);
}

/** npm is configured in the build as it is here, and finds what it has downloaded here before. */
async function npmSecrets(folder: string): Promise<string[]> {
  const own = await readFile(join(homedir(), '.npmrc'), 'utf8').catch(() => '');
  const authority = process.env['NODE_EXTRA_CA_CERTS'];
  const lines = ['cache=/var/cache/npm', 'prefer-offline=true'];
  if (authority !== undefined) lines.push('cafile=/run/secrets/ca');
  const npmrc = join(folder, 'npmrc');
  await writeFile(npmrc, [own, ...lines, ''].join('\n'), { mode: 0o600 });
  return [`id=npmrc,src=${npmrc}`, ...(authority === undefined ? [] : [`id=ca,src=${authority}`])];
}

async function sizeOf(buildah: Buildah, name: string): Promise<number> {
  const text = await buildah('images', '--format', '{{.Size}}', name);
  const [, number = '', unit = ''] = /^([\d.]+) ([MG])B$/.exec(text) ?? [];
  return Math.round(Number(number) * (unit === 'G' ? 1_000 : 1));
}

async function startContainer(
  folder: string,
  rootfs: string,
  config: ImageConfig,
  variables: Readonly<Record<string, string>>,
): Promise<Container> {
  const bundle = await mkdtemp(join(folder, 'bundle-'));
  const user = Number(config.User);
  const runc = ['--root', join(folder, 'runc')];
  const name = `lablink-test-${process.pid}`;
  await promisify(execFile)('runc', ['spec'], { cwd: bundle });
  const given = JSON.parse(await readFile(join(bundle, 'config.json'), 'utf8')) as RuncSpec;
  const volumes = await Promise.all(
    Object.keys(config.Volumes).map(async (destination, index) => {
      const source = join(bundle, `volume-${index}`);
      await mkdir(source, { mode: 0o700 });
      await chown(source, user, user);
      return { destination, type: 'bind', source, options: ['rbind', 'rw'] };
    }),
  );
  const tmp = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev'] };
  const spec = {
    ...given,
    root: { path: rootfs, readonly: true },
    process: {
      ...given.process,
      terminal: false,
      user: { uid: user, gid: user },
      args: [...config.Entrypoint, ...config.Cmd],
      env: [...config.Env, ...Object.entries(variables).map(([key, value]) => `${key}=${value}`)],
      cwd: config.WorkingDir,
      noNewPrivileges: true,
      capabilities: {},
      rlimits: [],
    },
    mounts: [...given.mounts, ...volumes, tmp],
    linux: { ...given.linux, namespaces: given.linux.namespaces.filter(({ type }) => type !== 'network') },
  };
  await writeFile(join(bundle, 'config.json'), JSON.stringify(spec));
  const child = spawn('runc', [...runc, 'run', '--bundle', bundle, name], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').then(([code]: unknown[]) => (typeof code === 'number' ? code : null));
  const signal = (which: string) => promisify(execFile)('runc', [...runc, 'kill', name, which]);
  return {
    exec: async (command) => (await promisify(execFile)('runc', [...runc, 'exec', name, ...command])).stdout,
    output: () => output,
    stop: async () => {
      await signal('TERM');
      return ended;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) await signal('KILL').catch(() => undefined);
      await ended;
    },
  };
}

type RuncSpec = {
  process: Record<string, unknown>;
  mounts: unknown[];
  linux: { namespaces: { type: string }[] };
};
