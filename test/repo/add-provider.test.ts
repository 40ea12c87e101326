// The recipe "Add a provider" of CONTRIBUTING.md, followed in a copy of the repository with the minimal provider of
// test/provision/minimal: its folder and one line in the list are all that is written by hand.
import { execFile } from 'node:child_process';
import {
  chmod,
  cp,
  mkdtemp,
  mkdir,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asForm, createLablinkClient } from '../../src/client/client.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';

const ROOT = join(import.meta.dirname, '../..');
const COPIED = ['src', 'codegen', 'infra', 'templates', 'docs', 'dist', 'test/support', 'test/doubles'];
const FILES = ['openapi.yaml', 'config.example.yaml', 'package.json', 'tsconfig.json'];
const LINE = "export { minimal } from './minimal/definition.ts';\n";
const TIMEOUT_MS = 240_000;
const PASSWORD = 'tulip-harbour-9';

let copy: string;
let database: TestDatabase;
beforeAll(async () => {
  copy = await realpath(await mkdtemp(join(tmpdir(), 'lablink-add-provider-')));
  // As root, a server moves its data out of a folder that its database could not reach.
  await chmod(copy, 0o711);
  for (const folder of COPIED) await cp(join(ROOT, folder), join(copy, folder), { recursive: true });
  for (const file of FILES) await cp(join(ROOT, file), join(copy, file));
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  database = await createTestDatabase();
}, TIMEOUT_MS);
afterAll(async () => {
  await rm(copy, { recursive: true });
  await database[Symbol.asyncDispose]();
});

const run = (file: string, args: readonly string[]): Promise<{ readonly stdout: string }> =>
  promisify(execFile)(file, args, { cwd: copy, timeout: TIMEOUT_MS });

async function addProvider(): Promise<void> {
  const from = join(ROOT, 'test/provision/minimal');
  const folder = join(copy, 'src/provision/minimal');
  await mkdir(folder);
  for (const name of await readdir(from)) {
    const text = await readFile(join(from, name), 'utf8');
    await writeFile(join(folder, name), text.replaceAll('../../../src/provision/', '../'));
  }
  const list = join(copy, 'src/provision/list.ts');
  await writeFile(list, `${await readFile(list, 'utf8')}${LINE}`);
}

/** The files of the copy that are not as in the repository. */
async function differing(): Promise<string[]> {
  const names = await readdir(copy, { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1));
  const isDifferent = async (file: string): Promise<boolean> =>
    (await readFile(join(copy, file), 'utf8')) !==
    (await readFile(join(ROOT, file), 'utf8').catch(() => null));
  const flags = await Promise.all(files.map(isDifferent));
  return files.filter((_file, index) => flags[index]).sort();
}

describe('adding a provider', { timeout: TIMEOUT_MS }, () => {
  test('the folder and one line in the list are enough; the rest is generated', async () => {
    await addProvider();
    await run(process.execPath, ['codegen/generate.ts']);
    expect(await differing()).toEqual([
      'docs/configuration.md',
      'openapi.yaml',
      'src/contract/openapi.gen.ts',
      'src/provision/list.ts',
      'src/provision/minimal/definition.ts',
      'src/provision/minimal/open.ts',
    ]);
    expect(await readFile(join(copy, 'openapi.yaml'), 'utf8')).toContain(
      'enum: [aws, external, local, minimal]',
    );
    expect(await readFile(join(copy, 'docs/configuration.md'), 'utf8')).toContain(
      '`minimal`: files in the data folder, for a test',
    );
    // Up to date, and nothing that the released contract promises is broken.
    await run(process.execPath, ['codegen/check.ts']);
  });

  test('the program compiles with the new provider', async () => {
    const settings = { extends: './tsconfig.json', include: ['src', 'infra'], exclude: ['src/browser'] };
    await writeFile(join(copy, 'tsconfig.src.json'), JSON.stringify(settings));
    const compiler = join(ROOT, 'node_modules/typescript-7/bin/tsc');
    const tsc = run(process.execPath, [compiler, '--project', 'tsconfig.src.json']);
    await expect(tsc).resolves.toMatchObject({ stdout: '' });
  });

  test('a server launches, shows and destroys machines of the new provider', async () => {
    await using program = startProgram(
      ['serve'],
      {
        PROVIDER: 'minimal',
        DATABASE_URL: database.connectionString,
        DATA_DIR: join(copy, 'data'),
        ADMIN_PASSWORD: PASSWORD,
        DEPLOYMENT: 'lab',
        ENVIRONMENT: 'test',
      },
      { main: join(copy, 'src/main.ts') },
    );
    const baseUrl = await program.url();
    const admin = createLablinkClient({ baseUrl, user: 'admin', password: PASSWORD });
    const succeeds = async (answer: { readonly data?: unknown }): Promise<void> => {
      const { id } = answer.data as { readonly id: string };
      const path = { params: { path: { id } } };
      await expect
        .poll(async () => (await admin.GET('/api/v1/operations/{id}', path)).data?.status, {
          timeout: 60_000,
        })
        .toBe('succeeded');
    };
    await succeeds(await admin.POST('/api/launch', { body: { num_vms: 2 }, ...asForm }));
    const machines = (await admin.GET('/api/v1/vms')).data?.items ?? [];
    expect(machines.map(({ hostname, provider }) => `${hostname} ${provider}`)).toEqual([
      'lab-vm-test-1 minimal',
      'lab-vm-test-2 minimal',
    ]);
    expect(await readdir(join(copy, 'data/minimal'))).toHaveLength(2);
    const page = await fetch(`${baseUrl}/admin`, {
      headers: { Authorization: `Basic ${btoa(`admin:${PASSWORD}`)}` },
    });
    expect(await page.text()).toContain('/admin/create');
    await succeeds(await admin.POST('/destroy', {}));
    expect(await readdir(join(copy, 'data/minimal'))).toEqual([]);
    expect((await admin.GET('/api/v1/vms')).data?.items).toEqual([]);
  });
});
