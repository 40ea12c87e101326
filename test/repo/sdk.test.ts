// The SDK as an integrator has it: packed, installed, compiled against, run. The program is the one in the README.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm } from '../../src/client/client.ts';
import { ADMIN, startTestServer } from '../support/server.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** The TypeScript that stands after the mark in README.md. */
async function exampleOfReadme(): Promise<string> {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const example = /<!-- example: integrator -->\s*```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  if (example === undefined) throw new Error('README.md has lost its example');
  return example;
}

const WRONG = `import { createLablinkClient } from 'lablink-client';
const client = createLablinkClient({ baseUrl: '' });
await client.POST('/api/vm-status', { body: { hostname: 'a', status: 'runnin' } });
await client.GET('/api/nowhere');`;

const OPTIONS = '--strict --target es2023 --module nodenext --types node --outDir out'.split(' ');

describe('the packed SDK', () => {
  let folder: string;
  /** What the compiler said of both programs; it checks the libraries once for them. */
  let compiled: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lablink-sdk-'));
    const packed = join(folder, 'packed');
    await mkdir(join(folder, 'node_modules'), { recursive: true });
    execFileSync(process.execPath, [join(root, 'codegen/pack-sdk.ts'), packed], { cwd: root });
    const [tarball] = (await readdir(packed)).filter((name) => name.endsWith('.tgz'));
    execFileSync('tar', ['-xzf', join(packed, tarball ?? ''), '-C', join(folder, 'node_modules')]);
    execFileSync('mv', [join(folder, 'node_modules/package'), join(folder, 'node_modules/lablink-client')]);
    for (const needed of ['openapi-fetch', 'openapi-typescript-helpers', '@types']) {
      await symlink(join(root, 'node_modules', needed), join(folder, 'node_modules', needed));
    }
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
    await writeFile(join(folder, 'example.ts'), await exampleOfReadme());
    await writeFile(join(folder, 'wrong.ts'), WRONG);
    const args = [tsc, ...OPTIONS, 'example.ts', 'wrong.ts'];
    compiled = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).stdout;
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('the packed SDK contains JavaScript and types, and nothing of the server', async () => {
    const files = await readdir(join(folder, 'node_modules/lablink-client'), { recursive: true });
    expect(files.filter((name) => name.endsWith('.js')).sort()).toEqual([
      'client/client.js',
      'contract/openapi.gen.js',
    ]);
    expect(files).toContain('client/client.d.ts');
    expect(files.filter((name) => /(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });

  test('a program with a field or a path that the contract does not have does not compile with the SDK', () => {
    const errors = compiled.match(/^\S+(?=: error TS)/gm);
    expect(
      errors?.map((place) => place.replace(/,.*/, '')),
      compiled,
    ).toEqual(['wrong.ts(3', 'wrong.ts(4']);
  });

  test('the program in the README registers a VM, polls as that VM, gets the command and confirms it', async () => {
    await using server = await startTestServer();
    const program = spawn(process.execPath, ['out/example.js'], {
      cwd: folder,
      env: { ALLOCATOR_URL: server.url, ADMIN_PASSWORD: ADMIN.password },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    program.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const exit = new Promise((resolve) => program.once('exit', resolve));
    const vm = async () =>
      (await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname: 'lab-pc-7' } } })).data;
    await expect.poll(async () => (await vm())?.waiting, { timeout: 10_000 }).toBe(true);
    await server.client.POST('/api/request_vm', {
      body: { email: 'ada@example.org', crd_command: '4/0Aexample' },
      ...asForm,
    });
    expect(await exit).toBe(0);
    expect(output).toContain('--code="4/0Aexample"');
    expect((await vm())?.assignment?.state).toBe('connected');
  });
});
