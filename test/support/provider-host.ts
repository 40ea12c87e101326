// What the server offers to a provider that it opens, for tests that open one without a server.
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createLog } from '../../src/log.ts';
import type { ProviderHost } from '../../src/provision/host.ts';
import { makeSshKeyPair, type SshKeyPair } from '../../src/ssh/key-pair.ts';
import type { TestDatabase } from './postgres.ts';

/** On the same folder, a provider gets the same secrets. */
export async function providerHost<Config>(
  config: Config,
  {
    dataDir,
    database,
    sshKey = makeSshKeyPair(),
    ...more
  }: { readonly dataDir: string; readonly database: TestDatabase; readonly sshKey?: SshKeyPair } & Partial<
    Pick<ProviderHost, 'env' | 'limits' | 'listenUrl'>
  >,
): Promise<ProviderHost<Config>> {
  const keptSecret = async (name: string): Promise<string> => {
    const file = join(dataDir, 'secrets', name);
    await mkdir(dirname(file), { recursive: true });
    const made = randomBytes(24).toString('base64url');
    await writeFile(file, made, { flag: 'wx' }).catch(() => undefined);
    return readFile(file, 'utf8');
  };
  return {
    config,
    dataDir,
    db: database.db,
    log: createLog({ level: 'silent' }),
    env: {},
    hostName: 'test-host',
    sshKey,
    forwarderToken: await keptSecret('forwarder'),
    listenUrl: () => 'http://127.0.0.1:9',
    deploymentUid: () => keptSecret('uid'),
    keptSecret,
    limits: {},
    ...more,
  };
}
