// What deploy/ contains is read as its programs read it, and held against the program: names of settings, stages, files, versions.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
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
  const lines = (await read('deploy/lablink.env')).matchAll(/^#?([A-Z][A-Z_]+)=(.*)$/gm);
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

  test('is built, configured and proxied by a compose file whose names all exist', async () => {
    const dockerfile = await read('Dockerfile');
    const { services, volumes } = parse(await read('deploy/compose.yaml')) as Compose;
    const { allocator, caddy } = services;
    for (const target of ['aws', /:-(\w+)\}/.exec(allocator.build?.target ?? '')?.[1] ?? ''])
      expect(dockerfile).toMatch(new RegExp(`^FROM base AS ${target}$`, 'm'));
    expect(allocator).toMatchObject({ read_only: true, env_file: 'lablink.env', build: { context: '..' } });
    expect(existsSync(join(root, 'deploy/lablink.env'))).toBe(true);
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
