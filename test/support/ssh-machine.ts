// A machine that a test's allocator can reach: a local VM's SSH server, without an agent.
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultSshLimits, startSshServer } from '../../src/provision/local/ssh-server.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';

export type SshMachine = AsyncDisposable & {
  readonly port: number;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  /** The folder with the participant's files. */
  readonly desktop: string;
};

/** @param dataDir the allocator's data folder, whose SSH key may log in */
export async function startSshMachine(
  dataDir: string,
  files: Readonly<Record<string, string>>,
): Promise<SshMachine> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-machine-'));
  const desktop = join(folder, 'Desktop');
  await mkdir(desktop);
  for (const [name, content] of Object.entries(files)) await writeFile(join(desktop, name), content);
  const host = makeSshKeyPair();
  const server = await startSshServer({
    folder,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder },
    execLimitMs: 60_000,
    hostKey: host.privateKey,
    user: 'tester',
    authorizedKey: (await readFile(join(dataDir, 'ssh', 'id_ed25519.pub'), 'utf8')).trim(),
    preferredPort: null,
    limits: defaultSshLimits,
  });
  return {
    port: server.port,
    user: 'tester',
    hostKey: host.publicKey,
    desktop,
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}
