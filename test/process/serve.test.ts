// The program as a process: starts, restarts, Ctrl-C, kill -9, two on one folder, errors in its configuration.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLablinkClient } from '../../src/client/client.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/program.ts';

const TIMEOUT_MS = 120_000;
const POLLING = { timeout: 30_000 };
let folder: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lablink-program-'));
  // For root, Postgres runs as another user, who must be able to enter the folder.
  await chmod(folder, 0o711);
  env = { DATA_DIR: join(folder, 'data'), PROVIDER: 'external' };
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

let usedFolder: string | undefined;
afterAll(async () => {
  if (usedFolder !== undefined) await rm(usedFolder, { recursive: true });
});

/** Copies a data folder with a database into the folder of the test, because creating a database takes seconds. */
async function useExistingDatabase(): Promise<void> {
  if (usedFolder === undefined) {
    usedFolder = await mkdtemp(join(tmpdir(), 'lablink-program-'));
    await chmod(usedFolder, 0o711);
    const program = startProgram(['migrate'], { ...env, DATA_DIR: join(usedFolder, 'data') });
    expect(await program.ended).toBe(0);
  }
  await promisify(execFile)('cp', ['-a', join(usedFolder, 'data'), folder]);
}

const postmaster = (): string => join(folder, 'data/postgres/cluster/postmaster.pid');

async function report(url: string, hostname: string): Promise<number> {
  const body = { hostname, status: 'running' as const };
  return (await createLablinkClient({ baseUrl: url }).POST('/api/vm-status', { body })).response.status;
}

const statuses = async (url: string) =>
  (await createLablinkClient({ baseUrl: url }).GET('/api/vm-status')).data;

describe('serve', { timeout: TIMEOUT_MS }, () => {
  test('serve prints the address, and the generated password once and last; a restart keeps everything', async () => {
    const first = startProgram(['serve'], env);
    const url = await first.url();
    const password = /password +(\S+) +\(shown only this time/.exec(first.output())?.[1] ?? '';
    const lastLine = first.output().trimEnd().split('\n').at(-1);
    expect(lastLine).toContain(password);
    const admin = createLablinkClient({ baseUrl: url, user: 'admin', password });
    expect((await admin.GET('/api/v1/vms')).response.status).toBe(200);
    const { data } = await admin.POST('/api/v1/vms', { body: { hostname: 'own' } });
    expect(await report(url, 'a')).toBe(200);
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
    expect(existsSync(postmaster())).toBe(false);

    await using second = startProgram(['serve'], env);
    const again = await second.url();
    expect(second.output()).not.toContain(password);
    expect((await readFile(join(folder, 'data/admin-password'), 'utf8')).trim()).toBe(password);
    expect(await statuses(again)).toEqual({ a: 'running', own: 'initializing' });
    const known = createLablinkClient({ baseUrl: again, token: data?.token ?? '' });
    const { response } = await known.POST('/api/vm-status', { body: { hostname: 'own', status: 'running' } });
    expect(response.status).toBe(200);
  });

  test('serve after a kill -9 takes over the database with everything in it', async () => {
    await useExistingDatabase();
    const first = startProgram(['serve'], env);
    expect(await report(await first.url(), 'a')).toBe(200);
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(existsSync(postmaster())).toBe(true);
    await using second = startProgram(['serve'], env);
    expect(await statuses(await second.url())).toEqual({ a: 'running' });
  });

  test('a second serve on the same data folder is refused and leaves the first one alone', async () => {
    await useExistingDatabase();
    await using first = startProgram(['serve'], env);
    const url = await first.url();
    const second = startProgram(['serve'], env);
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain('Another allocator');
    expect(second.output()).toContain(String(first.child.pid));
    expect(second.output()).toContain('DATA_DIR');
    expect(await report(url, 'a')).toBe(200);
  });

  test('Ctrl-C ends waiting polls with 503 and Retry-After', async () => {
    await useExistingDatabase();
    await using program = startProgram(['serve'], env);
    const url = await program.url();
    await report(url, 'a');
    const poll = createLablinkClient({ baseUrl: url }).POST('/vm_startup', { body: { hostname: 'a' } });
    const admin = createLablinkClient({
      baseUrl: url,
      user: 'admin',
      password: (await readFile(join(folder, 'data/admin-password'), 'utf8')).trim(),
    });
    const waits = async () =>
      (await admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname: 'a' } } })).data?.waiting;
    await expect.poll(waits, POLLING).toBe(true);
    program.child.kill('SIGINT');
    const { error, response } = await poll;
    expect(response.status).toBe(503);
    expect(error?.code).toBe('stopping');
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await program.ended).toBe(0);
  });

  test('Ctrl-C waits for a running request, and a second Ctrl-C forces the stop', async () => {
    await useExistingDatabase();
    const program = startProgram(['serve'], { ...env, SHUTDOWN_GRACE_SECONDS: '3600' });
    const { port } = new URL(await program.url());
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'POST /api/vm-status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"host',
    );
    await report(await program.url(), 'a');
    program.child.kill('SIGINT');
    await expect.poll(program.output, POLLING).toContain('"reason":"SIGINT"');
    await expect
      .poll(
        () =>
          fetch(`http://127.0.0.1:${port}/`).then(
            () => 'answers',
            () => 'refused',
          ),
        POLLING,
      )
      .toBe('refused');
    expect(program.child.exitCode).toBeNull();
    program.child.kill('SIGINT');
    expect(await program.ended).toBe(1);
    expect(program.output()).toContain('Stopping at once.');
    socket.destroy();
    // Forced or not, Postgres is not left over.
    expect(existsSync(postmaster())).toBe(false);
  });

  test('serve on a port that is in use is refused and leaves nothing behind', async () => {
    await useExistingDatabase();
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const program = startProgram(['serve'], { ...env, PORT: String(port) });
    expect(await program.ended).toBe(1);
    expect(program.output()).toContain(`Port ${port} of 127.0.0.1 is in use`);
    expect(program.output()).toContain('set PORT to another');
    expect(existsSync(postmaster())).toBe(false);
    other.close();
  });

  test('serve with a wrong configuration reports every error at once and creates nothing', async () => {
    const program = startProgram(['serve'], {
      ...env,
      PORT: '70000',
      PROVIDER: 'cloud',
      ADMIN_PASSWORD: 'changeme',
    });
    expect(await program.ended).toBe(1);
    for (const key of ['PORT', 'PROVIDER', 'ADMIN_PASSWORD']) expect(program.output()).toContain(key);
    expect(program.output()).not.toContain('changeme');
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });

  test('serve with a database that cannot be reached is refused without showing the password', async () => {
    const program = startProgram(['serve'], { ...env, DATABASE_URL: 'postgres://u:secretpw@127.0.0.1:1/x' });
    expect(await program.ended).toBe(1);
    expect(program.output()).toContain('DATABASE_URL');
    expect(program.output()).not.toContain('secretpw');
  });
});

describe('the program', { timeout: TIMEOUT_MS }, () => {
  test('migrate updates the schema and exits', async () => {
    const program = startProgram(['migrate'], env);
    expect(await program.ended).toBe(0);
    expect(program.output()).toContain('The schema is up to date.');
    expect(existsSync(postmaster())).toBe(false);
  });

  test('help, version and an unknown command print the right text and exit code', async () => {
    const help = startProgram(['help'], {});
    const version = startProgram(['version'], {});
    const other = startProgram(['dance'], {});
    expect(await help.ended).toBe(0);
    expect(help.output()).toContain('lablink serve');
    const settings = startProgram(['help', 'config'], {});
    expect(await settings.ended).toBe(0);
    expect(settings.output()).toContain('START_DEADLINE_MINUTES');
    expect(await version.ended).toBe(0);
    expect(version.output()).toMatch(/^\d+\.\d+\.\d+(-dev)?\n$/);
    expect(await other.ended).toBe(2);
    expect(other.output()).toContain('no command "dance"');
    const checked = startProgram(['check-config'], { PORT: '70000' });
    expect(await checked.ended).toBe(1);
    expect(checked.output()).toContain('PORT: ');
    const asked = startProgram(['healthcheck', 'now'], {});
    expect(await asked.ended).toBe(2);
  });
});

describe('the SSH key', () => {
  test(
    'ssh-key prints a private key that OpenSSH reads and that belongs to the public file',
    { timeout: TIMEOUT_MS },
    async () => {
      const keys = [startProgram(['ssh-key'], env), startProgram(['ssh-key'], env)];
      const printed: string[] = [];
      for (const key of keys) {
        expect(await key.ended, key.output()).toBe(0);
        printed.push(key.output());
      }
      expect(printed[0]).toBe(printed[1]);
      const file = join(folder, 'key');
      await writeFile(file, printed[0] ?? '', { mode: 0o600 });
      const { stdout } = await promisify(execFile)('ssh-keygen', ['-y', '-f', file]);
      expect(stdout.trim()).toBe((await readFile(join(folder, 'data/ssh/id_ed25519.pub'), 'utf8')).trim());
    },
  );

  test(
    'serve is refused when the SSH key was sealed with another SECRET_KEY',
    { timeout: TIMEOUT_MS },
    async () => {
      expect(await startProgram(['ssh-key'], env).ended).toBe(0);
      await using database = await createTestDatabase();
      const elsewhere = { DATABASE_URL: database.connectionString, SECRET_KEY: 'k'.repeat(40) };
      const other = startProgram(['serve'], { ...env, ...elsewhere });
      expect(await other.ended).toBe(1);
      expect(other.output()).toMatch(/cannot start: .*id_ed25519\.sealed was sealed with another SECRET_KEY/);
    },
  );
});
