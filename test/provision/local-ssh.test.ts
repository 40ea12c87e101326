// The SSH server of a local VM, tested with a real SSH client.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleFiles, writeSamples } from '../../src/provision/local/samples.ts';
import { defaultSshLimits, startSshServer, type SshServer } from '../../src/provision/local/ssh-server.ts';
import type { SshAccess } from '../../src/provision/provider.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { isRunning } from './local-lab.ts';
import { connect, type Connected } from './ssh-client.ts';

const allocator = makeSshKeyPair();
const orphan = makeSshKeyPair();
const host = makeSshKeyPair();
const LONG_WAIT = { timeout: 10_000 };
const ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/', MARK: 'of the machine' };

let folder: string;
let server: SshServer;
let reach: SshAccess;

async function start(changes: { execLimitMs?: number; commands?: number } = {}): Promise<SshServer> {
  return startSshServer({
    folder,
    env: ENV,
    execLimitMs: changes.execLimitMs ?? 60_000,
    hostKey: host.privateKey,
    user: 'tester',
    authorizedKey: allocator.publicKey,
    preferredPort: null,
    limits: { ...defaultSshLimits, commands: changes.commands ?? defaultSshLimits.commands },
  });
}

function reachOf({ port }: SshServer): SshAccess {
  return { address: '127.0.0.1', sshUser: 'tester', sshPort: port, sshHostKey: host.publicKey };
}

function enter(where: SshAccess = reach): Promise<Connected> {
  return connect(where, { privateKey: allocator.privateKey });
}

beforeAll(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-ssh-'));
  await writeSamples(join(folder, 'Desktop'), 'vm-1');
  server = await start();
  reach = reachOf(server);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('logging in to a local VM', () => {
  test('the allocator logs in with its key and finds the expected host key', async () => {
    using ssh = await enter();
    const { code, out } = await ssh.run('pwd; echo "$MARK"; env | wc -l');
    expect({ code, out: out.toString().split('\n').slice(0, 2) }).toEqual({
      code: 0,
      out: [folder, 'of the machine'],
    });
  });

  test.each([
    ['another key', { privateKey: orphan.privateKey }],
    ['a password', { password: 'password' }],
    ['another user with the right key', { privateKey: allocator.privateKey, username: 'root' }],
    ['no credentials', {}],
  ])('a login with %s is refused', async (_, how) => {
    await expect(connect(reach, how)).rejects.toThrow('All configured authentication methods failed');
  });

  test('a client that expects another host key does not connect', async () => {
    const impostor = { ...reach, sshHostKey: orphan.publicKey };
    await expect(connect(impostor, { privateKey: allocator.privateKey })).rejects.toThrow(
      /verification failed/i,
    );
  });

  test('the SSH server of a local VM is reachable only from this computer', async () => {
    const others = Object.values(networkInterfaces()).flatMap((addresses = []) =>
      addresses.filter(({ internal }) => !internal),
    );
    const [outside] = others.filter(({ family }) => family === 'IPv4');
    // Linux answers on all of 127/8, so a server that listens on every address would accept this connection too.
    for (const address of ['127.0.0.2', ...(outside ? [outside.address] : [])]) {
      const socket = createConnection({ host: address, port: server.port });
      const answer = await once(socket, 'connect').then(
        () => 'connected',
        (error: unknown) => (error as NodeJS.ErrnoException).code,
      );
      expect(`${address} ${String(answer)}`).toBe(`${address} ECONNREFUSED`);
    }
  });
});

describe('commands on a local VM', () => {
  test('a tar stream of the desktop contains every byte and every name', async () => {
    using ssh = await enter();
    const { code, out, error } = await ssh.run('tar -C Desktop -cf - .');
    expect({ code, error }).toEqual({ code: 0, error: '' });
    const target = await mkdtemp(join(await realpath(tmpdir()), 'lablink-tar-'));
    execFileSync('tar', ['-C', target, '-xf', '-'], { input: out });
    const files = sampleFiles('vm-1');
    const found = execFileSync('find', ['.', '-type', 'f'], { cwd: target }).toString().trim().split('\n');
    expect(found.sort()).toEqual(files.map(({ path }) => `./${path}`).sort());
    for (const { path, content } of files) {
      expect((await readFile(join(target, path))).equals(Buffer.from(content))).toBe(true);
    }
    console.log(`tar over SSH: ${files.length} files, ${out.length} bytes`);
    await rm(target, { recursive: true });
  });

  test('find returns names separated by zero bytes', async () => {
    using ssh = await enter();
    const { out } = await ssh.run(
      String.raw`find Desktop -name '*.slp' -not -path '*/predictions/*' -print0`,
    );
    const expected = sampleFiles('vm-1').filter(
      ({ path }) => path.endsWith('.slp') && !path.includes('/predictions/'),
    );
    expect(out.toString().split('\0').filter(Boolean).sort()).toEqual(
      expected.map(({ path }) => `Desktop/${path}`).sort(),
    );
  });

  test('a command returns its exit code or signal and both outputs', async () => {
    using ssh = await enter();
    expect(await ssh.run('echo out; echo err >&2; exit 7')).toMatchObject({ code: 7, error: 'err\n' });
    expect(await ssh.run('kill -TERM $$')).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(await ssh.run('no-such-program')).toMatchObject({ code: 127 });
  });

  test('40 MB are read and written unchanged over SSH', async () => {
    using ssh = await enter();
    const bytes = 40 * 1024 * 1024;
    const { out, code } = await ssh.run(`head -c ${bytes} /dev/zero`);
    expect({ code, length: out.length }).toEqual({ code: 0, length: bytes });
    const input = Buffer.alloc(bytes, 'participants');
    const summed = await ssh.run('sha256sum', input);
    expect(summed.out.toString().split(' ')[0]).toBe(createHash('sha256').update(input).digest('hex'));
  });

  test('the last lines of standard error are not cut off', async () => {
    using ssh = await enter();
    const { error } = await ssh.run('head -c 3000000 /dev/zero | tr "\\0" x >&2; exit 3');
    expect(error.length).toBe(3_000_000);
  });

  test('a shell, a terminal, sftp and forwarding are refused', async () => {
    using ssh = await enter();
    const refused = (attempt: (done: (error: Error | undefined) => void) => void): Promise<string> =>
      new Promise((resolve) => attempt((error) => resolve(error === undefined ? 'allowed' : 'refused')));
    expect({
      shell: await refused((done) => ssh.client.shell(false, done)),
      terminal: await refused((done) => ssh.client.exec('tty', { pty: true }, done)),
      sftp: await refused((done) => ssh.client.sftp(done)),
      outward: await refused((done) =>
        ssh.client.forwardOut('127.0.0.1', 1, '127.0.0.1', reach.sshPort!, done),
      ),
      inward: await refused((done) => ssh.client.forwardIn('127.0.0.1', 0, (error) => done(error))),
    }).toEqual({
      shell: 'refused',
      terminal: 'refused',
      sftp: 'refused',
      outward: 'refused',
      inward: 'refused',
    });
  });
});

describe('the end of commands', () => {
  /** Starts a command that never ends, and returns its process id. */
  async function startEndless(ssh: Connected): Promise<number> {
    const { channel } = await ssh.start('sleep 1000 & echo $!; wait');
    const [first] = (await new Promise<Buffer>((resolve) => channel.once('data', resolve)))
      .toString()
      .split('\n');
    return Number(first);
  }

  test('the command of a client that disconnects is killed', async () => {
    const ssh = await enter();
    const pid = await startEndless(ssh);
    expect(await isRunning(pid)).toBe(true);
    ssh.client.destroy();
    await expect.poll(() => isRunning(pid), LONG_WAIT).toBe(false);
  });

  test('a command that takes too long is killed together with its children', async () => {
    const hasty = await start({ execLimitMs: 50 });
    using ssh = await enter(reachOf(hasty));
    expect(await ssh.run('sleep 1000 & sleep 1000')).toMatchObject({ code: null, signal: 'SIGKILL' });
    await hasty.close();
  });

  test('one command too many is refused until another one ends', async () => {
    const small = await start({ commands: 2 });
    using ssh = await enter(reachOf(small));
    const first = await ssh.start('cat');
    const second = await ssh.start('cat');
    await expect(ssh.start('cat')).rejects.toThrow(/exec/i);
    first.channel.end();
    expect(await first.ended).toMatchObject({ code: 0 });
    await expect.poll(() => ssh.run('echo room').then(({ code }) => code, String)).toBe(0);
    second.channel.end();
    await small.close();
  });

  test('closing the SSH server ends its commands and connections', async () => {
    const ending = await start();
    const ssh = await enter(reachOf(ending));
    const closed = new Promise((resolve) => ssh.client.once('close', () => resolve(undefined)));
    const pid = await startEndless(ssh);
    await ending.close();
    await closed;
    await expect.poll(() => isRunning(pid), LONG_WAIT).toBe(false);
  });

  test('the SSH server uses another port if its own is taken', async () => {
    const other = await startSshServer({
      folder,
      env: ENV,
      execLimitMs: 1000,
      hostKey: host.privateKey,
      user: 'tester',
      authorizedKey: allocator.publicKey,
      preferredPort: server.port,
      limits: defaultSshLimits,
    });
    expect(other.port).not.toBe(server.port);
    await other.close();
  });
});
