// What deploy/ contains is read as its programs read it, and held against the program: names of settings, stages, files, versions.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { packagesOf } from '../../codegen/package-folders.ts';
import { loadConfig } from '../../src/config.ts';
import { requirePart } from '../support/required.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');
const hadolint = join(root, '.cache/python/hadolint/bin/hadolint');
const hasHadolint = requirePart('hadolint', existsSync(hadolint), 'Run `make python`.');

type Service = {
  image: string;
  build?: { context: string; target: string };
  env_file?: string;
  environment: Record<string, string>;
  volumes: string[];
  read_only?: boolean;
};
type Compose = { services: { allocator: Service; caddy: Service }; volumes: Record<string, unknown> };

/** The settings of a sample, also those that are commented out. */
async function sampleSettings(): Promise<Record<string, string>> {
  const lines = (await read('deploy/lablink.env.example')).matchAll(/^#?([A-Z][A-Z_]+)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}

describe('the sample of settings', () => {
  test('configures an allocator, with every line taken', async () => {
    const { CONFIG_DIR, ...env } = await sampleSettings();
    expect(CONFIG_DIR).toBe('/etc/lablink');
    const loaded = loadConfig({ env, readFile: () => undefined, cwd: '/' });
    expect(loaded).toMatchObject({
      ok: true,
      value: { warnings: [], config: { server: { publicUrl: 'https://lablink.example.org' } } },
    });
  });
});

describe('the files of an installation that its user writes', () => {
  test('are unknown to git, and where compose reads them', async () => {
    const { CONFIG_DIR = '' } = await sampleSettings();
    const { services } = parse(await read('deploy/compose.yaml')) as Compose;
    expect(services.allocator.env_file).toBe('.env');
    expect(services.allocator.volumes).toContain(`./config:${CONFIG_DIR}:ro`);
    // With what the guide writes into .env, and no more.
    const { allocator } = services;
    const start = {
      ...allocator.environment,
      LABLINK_DOMAIN: 'lab.example.org',
      PUBLIC_URL: 'https://lab.example.org',
    };
    expect(loadConfig({ env: start, readFile: () => undefined, cwd: '/' })).toMatchObject({
      ok: true,
      value: { warnings: [] },
    });
    const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: root });
    const written = ['deploy/.env', 'deploy/config/config.yaml'];
    expect((await git('check-ignore', ...written)).stdout.trim().split('\n')).toEqual(written);
    expect((await git('ls-files', ...written, 'deploy/lablink.env')).stdout).toBe('');
    // The folder is there, so that Docker does not make it, for root.
    expect((await git('ls-files', 'deploy/config')).stdout.trim()).toBe('deploy/config/.gitignore');
  });
});

describe('the guide', () => {
  test('has every variable that compose needs written into .env, so that its commands work as they are', async () => {
    const compose = await read('deploy/compose.yaml');
    const needed = [...compose.matchAll(/\$\{(\w+)(?::\?[^}]*)?\}/g)].map(([, name = '']) => name);
    expect(new Set(needed)).toEqual(new Set(['LABLINK_DOMAIN']));
    const guide = await read('docs/operations.md');
    expect(guide).toMatch(/`echo LABLINK_DOMAIN=\S+ >\.env`/);
    expect(guide).not.toMatch(/docker compose --file|sudo -u lablink env/);
  });

  test('puts all data aside before a restore, for container and service by the same command', async () => {
    const guide = await read('docs/operations.md');
    const [container = '', service = ''] = ['-c', 'sh -c'].map(
      (before) => new RegExp(` ${before} '(?:cd \\S+ && )?(mkdir before [^']*)'`).exec(guide)?.[1],
    );
    expect(service).toBe(container);
    const folder = await mkdtemp(join(tmpdir(), 'lablink-aside-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await mkdir(join(folder, 'postgres/cluster'), { recursive: true });
    for (const name of ['secret-key', '.hidden', 'with a space']) await writeFile(join(folder, name), name);
    const run = () => promisify(execFile)('sh', ['-c', container], { cwd: folder });
    await run();
    expect(await readdir(folder)).toEqual(['before']);
    const aside = await readdir(join(folder, 'before'));
    expect(aside.sort()).toEqual(['.hidden', 'postgres', 'secret-key', 'with a space']);
    await expect(run()).rejects.toThrow('File exists');
  });
});

describe('the container image', () => {
  test.skipIf(!hasHadolint)('has a Dockerfile in which hadolint finds nothing', async () => {
    await expect(promisify(execFile)(hadolint, [join(root, 'Dockerfile')])).resolves.toMatchObject({
      stdout: '',
    });
  });

  test('has the Node of the project', async () => {
    const version = /^NODE_VERSION := (.*)$/m.exec(await read('Makefile'))?.[1];
    expect(await read('Dockerfile')).toContain(`FROM docker.io/library/node:${version ?? ''}-bookworm-slim`);
  });

  test(
    'has in its stage for AWS every package that the bundle for AWS copies',
    { timeout: 60_000 },
    async () => {
      const stage = readStage(await read('Dockerfile'), 'build-aws');
      const npmCi = /\bnpm (ci .*?)(?= &&|$)/.exec(stage.commands)?.[1] ?? '';
      const installed = await wouldInstall(npmCi.split(' '), stage.env);
      expect(stage.commands).toContain('node codegen/bundle.ts --aws');
      const needed = await packagesOf(root, ['@aws-sdk/', '@pulumi/']);
      expect(needed.length).toBeGreaterThan(50);
      const names = needed.map((folder) => folder.split('node_modules/').at(-1) ?? '');
      expect(names.filter((name) => !installed.has(name))).toEqual([]);
    },
  );

  test('is not built for AWS where a package for AWS is not installed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lablink-packages-'));
    try {
      const packages = {
        '': { devDependencies: { '@aws-sdk/a': '1.0.0' } },
        'node_modules/@aws-sdk/a': {
          dependencies: { b: '1.0.0' },
          optionalDependencies: { 'for-another-platform': '1.0.0' },
        },
        'node_modules/b': {},
        'node_modules/for-another-platform': { optional: true },
      };
      await writeFile(join(folder, 'package-lock.json'), JSON.stringify({ packages }));
      const missing = (name: string) => `The package ${name} is not installed`;
      await expect(packagesOf(folder, ['@aws-sdk/'])).rejects.toThrow(missing('@aws-sdk/a'));
      await mkdir(join(folder, 'node_modules/@aws-sdk/a'), { recursive: true });
      await expect(packagesOf(folder, ['@aws-sdk/'])).rejects.toThrow(missing('b'));
      await mkdir(join(folder, 'node_modules/b'));
      expect(await packagesOf(folder, ['@aws-sdk/'])).toEqual(['node_modules/@aws-sdk/a', 'node_modules/b']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('is built, configured and proxied by a compose file whose names all exist', async () => {
    const dockerfile = await read('Dockerfile');
    const { services, volumes } = parse(await read('deploy/compose.yaml')) as Compose;
    const { allocator, caddy } = services;
    for (const target of ['aws', /:-(\w+)\}/.exec(allocator.build?.target ?? '')?.[1] ?? ''])
      expect(dockerfile).toMatch(new RegExp(`^FROM base AS ${target}$`, 'm'));
    expect(allocator).toMatchObject({ read_only: true, build: { context: '..' } });
    const env = {
      ...allocator.environment,
      PUBLIC_URL: String(allocator.environment['PUBLIC_URL']).replace(/\$\{.*\}/, 'lablink.example.org'),
    };
    expect(loadConfig({ env, readFile: () => undefined, cwd: '/' })).toMatchObject({ ok: true });
    const caddyfile = await read('deploy/Caddyfile');
    for (const name of Object.keys(caddy.environment)) expect(caddyfile).toContain(`{$${name}:`);
    expect(dockerfile).toContain(`PORT=${caddy.environment['LABLINK_UPSTREAM']?.split(':')[1] ?? ''} `);
    const mounts = [...allocator.volumes, ...caddy.volumes].map((mount) => mount.split(':')[0] ?? '');
    for (const mount of mounts)
      expect(mount in volumes || existsSync(join(root, 'deploy', mount)), mount).toBe(true);
  });
});

/** The environment and the commands of a stage of the Dockerfile, with the environment of the stages that it starts from. */
function readStage(dockerfile: string, name: string): { env: Record<string, string>; commands: string } {
  const lines = dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  const stages = lines.flatMap((line, index) => (line.startsWith('FROM ') ? [index] : []));
  const start = stages.find((index) => lines[index]?.endsWith(` AS ${name}`)) ?? -1;
  const [, from = ''] = /^FROM (\S+) AS /.exec(lines[start] ?? '') ?? [];
  if (start === -1) return { env: {}, commands: '' };
  const own = lines.slice(
    start + 1,
    stages.find((index) => index > start),
  );
  const settings = own.filter((line) => line.startsWith('ENV ')).flatMap((line) => line.slice(4).split(' '));
  const env = Object.fromEntries(
    settings.map((setting) => setting.split(/=(.*)/).slice(0, 2) as [string, string]),
  );
  return {
    env: { ...readStage(dockerfile, from).env, ...env },
    commands: own.filter((line) => line.startsWith('RUN ')).join('\n'),
  };
}

/** The names of the packages that npm would install by these arguments. It needs no network for that. */
async function wouldInstall(args: readonly string[], env: Record<string, string>): Promise<Set<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-npm-'));
  try {
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      await copyFile(join(root, name), join(folder, name));
    const { stdout } = await promisify(execFile)('npm', [...args, '--dry-run', '--offline'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, ...env },
    });
    return new Set([...stdout.matchAll(/^add (\S+) /gm)].map(([, name = '']) => name));
  } finally {
    await rm(folder, { recursive: true });
  }
}
