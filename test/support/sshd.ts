// Starts real OpenSSH servers on loopback, as the user who runs the tests. Each has its own port, host key and environment;
// disposing stops it.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { endMarkedProcesses } from '../../src/process/end-marked.ts';
import { openProcessTable, type ProcessMark } from '../../src/process/process-table.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';

export const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find((path) =>
  existsSync(path),
);

/** All that the server starts has its folder in the environment. */
export const SSHD_MARK: ProcessMark = { variable: 'FOLDER', argument: '' };

export type Sshd = AsyncDisposable & {
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** The server's own folder, at first empty. */
  readonly folder: string;
  /** Kills the server and all its connections at once, as if the machine lost power. */
  readonly kill: () => void;
  /** The process ids of the server's connections and their commands; not of a command that goes on after its connection has ended. */
  readonly children: () => readonly number[];
};

export type SshdOptions = {
  /** The key that may log in: `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** Shell scripts by name, which come first in PATH. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** By default a new one. */
  readonly hostKey?: ReturnType<typeof makeSshKeyPair>;
};

export async function startSshd(options: SshdOptions): Promise<Sshd> {
  if (SSHD === undefined) throw new Error('sshd is missing');
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const root = await mkdtemp(join(await realpath(tmpdir()), 'lablink-sshd-'));
  const folder = join(root, 'Desktop');
  const bin = join(root, 'bin');
  await Promise.all([mkdir(folder), mkdir(bin)]);
  for (const [name, script] of Object.entries(options.programs ?? {})) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const hostKey = options.hostKey ?? makeSshKeyPair();
  const port = await freePort();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(root, name), text, { mode: 0o600 });
    return join(root, name);
  };
  const environment = { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, FOLDER: folder, ...options.environment };
  const config = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${await file('host_key', hostKey.privateKey)}`,
    `AuthorizedKeysFile ${await file('authorized_keys', `${options.authorizedKey}\n`)}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    'MaxStartups 100',
    'PrintMotd no',
    'LogLevel ERROR',
    `SetEnv ${Object.entries(environment)
      .map(([name, value]) => `"${name}=${value}"`)
      .join(' ')}`,
  ];
  const child = spawn(SSHD, ['-D', '-e', '-f', await file('sshd_config', `${config.join('\n')}\n`)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await listening(child, port);
  const end = (): void => {
    for (const pid of [...descendantsOf(child.pid ?? 0), child.pid ?? 0]) killOne(pid);
  };
  return {
    port,
    user: userInfo().username,
    hostKey: hostKey.publicKey,
    folder,
    kill: end,
    children: () => descendantsOf(child.pid ?? 0),
    [Symbol.asyncDispose]: async () => {
      end();
      if (child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => child.once('exit', resolve));
      // A command that has lost its connection has another parent now.
      await endMarkedProcesses(await openProcessTable(SSHD_MARK), root, new Set([folder]));
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Writes files, given by their path below `folder`, and creates their parent folders. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Buffer>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

function killOne(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch {
    // The process has already ended.
  }
}

function descendantsOf(pid: number): readonly number[] {
  const pairs = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    pairs.flatMap(([own = 0, of = 0]) => (of === parent ? [own, ...below(own)] : []));
  return below(pid);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function listening(child: ChildProcess, port: number): Promise<void> {
  let output = '';
  child.stderr?.on('data', (piece: Buffer) => (output += piece.toString()));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`sshd did not start: ${output}`);
    if (await answers(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
