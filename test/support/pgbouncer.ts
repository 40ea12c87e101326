// A real PgBouncer in front of a test database.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

const PGBOUNCER = ['/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find(
  (path) => existsSync(path),
);
export const hasPgBouncer = PGBOUNCER !== undefined;

export type PgBouncer = AsyncDisposable & { readonly connectionString: string };

/** @param ignored start-up parameters that are ignored; others than its own are refused */
export async function startPgBouncer(
  target: string,
  mode: 'transaction' | 'session',
  ignored: readonly string[] = [],
  poolSize = 20,
): Promise<PgBouncer> {
  if (PGBOUNCER === undefined) throw new Error('pgbouncer is missing');
  const folder = await mkdtemp(join(tmpdir(), 'lablink-pgbouncer-'));
  const port = await freePort();
  const { hostname, port: to, username, password, pathname } = new URL(target);
  const database = pathname.slice(1);
  const login = `user=${username} password=${decodeURIComponent(password)}`;
  const file = join(folder, 'pgbouncer.ini');
  const ini = [
    '[databases]',
    `${database} = host=${hostname} port=${to} dbname=${database} ${login}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    `default_pool_size = ${poolSize}`,
    'server_login_retry = 1',
    ...(ignored.length > 0 ? [`ignore_startup_parameters = ${ignored.join(',')}`] : []),
  ];
  await writeFile(file, ini.join('\n'));
  // It refuses to run as root.
  await chmod(folder, 0o755);
  const asNobody = userInfo().uid === 0 ? ['--user=nobody'] : [];
  const child = spawn(PGBOUNCER, ['--quiet', ...asNobody, file], { stdio: 'ignore' });
  await vi.waitFor(() => answers(port), { timeout: 10_000, interval: 50 });
  return {
    connectionString: `postgresql://anybody@127.0.0.1:${port}/${database}`,
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
