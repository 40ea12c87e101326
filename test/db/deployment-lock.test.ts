import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  acquireDeploymentLock,
  describeHolder,
  type DeploymentLock,
  type DeploymentLockOptions,
} from '../../src/db/deployment-lock.ts';
import { createTestDatabase, withAdmin } from '../support/postgres.ts';

type Options = Partial<DeploymentLockOptions> & { readonly connectionString: string };

const acquire = (options: Options): ReturnType<typeof acquireDeploymentLock> =>
  acquireDeploymentLock({
    mode: 'exclusive',
    self: { pid: 4711, host: 'laptop' },
    onTaken: () => undefined,
    log: () => undefined,
    graceMs: 0,
    checkMs: 30,
    retryMs: 10,
    ...options,
  });

async function acquired(options: Options): Promise<DeploymentLock> {
  const result = await acquire(options);
  if (!result.ok) throw new Error(`Not acquired: ${JSON.stringify(result)}`);
  return result.value;
}

const until = (condition: () => void): Promise<void> =>
  vi.waitFor(condition, { timeout: 15_000, interval: 10 });

/** A server of the same database whose wire can be cut or fall silent. */
async function proxyTo(url: string): Promise<{
  url: string;
  cut(): void;
  open(): void;
  silence(): void;
}> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let isOpen = true;
  const server = createServer((near) => {
    if (!isOpen) return near.destroy();
    const far = connect(Number(target.port), target.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
    return undefined;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = (): void => sockets.forEach((socket) => socket.destroy());
  onTestFinished(() => {
    end();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port.');
  const proxied = new URL(url);
  proxied.port = String(address.port);
  return {
    url: proxied.href,
    cut: () => {
      isOpen = false;
      end();
    },
    open: () => {
      isOpen = true;
    },
    silence: () =>
      sockets.forEach((socket) => {
        socket.unpipe();
        socket.pause();
      }),
  };
}

/** Ends every connection to the database from the server's side, and says how many there were. */
const endConnections = (url: string): Promise<number | null> =>
  withAdmin(async (admin) => {
    const { rowCount } = await admin.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1',
      [new URL(url).pathname.slice(1)],
    );
    return rowCount;
  });

describe('the deployment lock', () => {
  test('the deployment lock has one holder, and names it to others', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const lock = await acquired({ connectionString });
    const second = await acquire({ connectionString, self: { pid: 2, host: 'other' } });
    if (second.ok || second.failure.code !== 'held') throw new Error('The second has it too.');
    expect(describeHolder(second.failure.holder)).toMatch(/^process 4711 on laptop, since 20\d\d-.+:\d\dZ$/);
    await lock.release();
    await (await acquired({ connectionString })).release();
  });

  test.each([
    ['shared', 'shared', true],
    ['shared', 'exclusive', false],
    ['exclusive', 'shared', false],
  ] as const)('held %s and wanted %s: %s', async (held, wanted, ok) => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const lock = await acquired({ connectionString, mode: held });
    const second = await acquire({ connectionString, mode: wanted });
    expect(second.ok).toBe(ok);
    if (second.ok) await second.value.release();
    await lock.release();
  });

  test('the deployment lock applies to one database', async () => {
    await using one = await createTestDatabase();
    await using other = await createTestDatabase();
    const locks = [await acquired(one), await acquired(other)];
    for (const lock of locks) await lock.release();
  });

  test('the deployment lock waits briefly for a holder that is stopping', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const first = await acquired({ connectionString });
    const second = acquired({ connectionString, graceMs: 10_000 });
    await first.release();
    await (await second).release();
  });

  test('a long host name is shortened to the length that the server keeps', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const lock = await acquired({ connectionString, self: { pid: 4_194_304, host: 'h'.repeat(253) } });
    const second = await acquire({ connectionString });
    if (second.ok || second.failure.code !== 'held') throw new Error('The second has it too.');
    expect(describeHolder(second.failure.holder)).toMatch(/^process 4194304 on h{36}, since/);
    await lock.release();
  });

  test('the deployment lock reports a server that cannot be reached', async () => {
    const result = await acquire({ connectionString: 'postgres://nobody:x@127.0.0.1:1/none' });
    expect(result).toMatchObject({
      ok: false,
      failure: { code: 'unreachable', error: { code: 'ECONNREFUSED' } },
    });
  });

  test('the deployment lock is held until the work of its release has finished', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const lock = await acquired({ connectionString });
    await lock.release(async () => {
      expect(await acquire({ connectionString })).toMatchObject({ ok: false, failure: { code: 'held' } });
    });
    await (await acquired({ connectionString })).release();
  });

  test('the deployment lock is released if the server closes the connection during the release', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const log = vi.fn();
    const lock = await acquired({ connectionString, log });
    await lock.release(async () => {
      expect(await endConnections(connectionString)).toBe(1);
    });
    expect(log).not.toHaveBeenCalled();
  });
});

describe('a lock whose connection is lost', () => {
  test('a lock whose connection was lost is taken again in the background', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const log = vi.fn();
    const onTaken = vi.fn();
    const lock = await acquired({ connectionString, log, onTaken });
    expect(await endConnections(connectionString)).toBe(1);
    await until(() => expect(log).toHaveBeenLastCalledWith('The deployment lock is held again.'));
    expect(await acquire({ connectionString })).toMatchObject({ ok: false, failure: { code: 'held' } });
    await lock.release();
    expect(onTaken).not.toHaveBeenCalled();
  });

  test('a lock is taken again although the server has not noticed the silent network', async () => {
    await using database = await createTestDatabase();
    const proxy = await proxyTo(database.connectionString);
    const log = vi.fn();
    const onTaken = vi.fn();
    const lock = await acquired({ connectionString: proxy.url, log, onTaken, answerMs: 300 });
    proxy.silence();
    await until(() => expect(log).toHaveBeenLastCalledWith('The deployment lock is held again.'));
    expect(onTaken).not.toHaveBeenCalled();
    await lock.release();
  });

  test('a lock that another process took in the meantime is reported once, with its holder', async () => {
    await using database = await createTestDatabase();
    const { connectionString } = database;
    const proxy = await proxyTo(connectionString);
    const onTaken = vi.fn<DeploymentLockOptions['onTaken']>();
    const lock = await acquired({ connectionString: proxy.url, onTaken });
    proxy.cut();
    const other = await acquired({ connectionString, self: { pid: 2, host: 'other' }, graceMs: 5_000 });
    proxy.open();
    await until(() => expect(onTaken).toHaveBeenCalledOnce());
    expect(describeHolder(onTaken.mock.calls[0]?.[0])).toMatch(/^process 2 on other, /);
    await lock.release();
    await other.release();
  });

  test('a lock can be released while the server is not reachable', async () => {
    await using database = await createTestDatabase();
    const proxy = await proxyTo(database.connectionString);
    const log = vi.fn();
    const lock = await acquired({ connectionString: proxy.url, log });
    proxy.cut();
    await until(() => expect(log).toHaveBeenCalledWith(expect.stringContaining('was lost')));
    await lock.release();
    expect(log).toHaveBeenCalledOnce();
  });
});
