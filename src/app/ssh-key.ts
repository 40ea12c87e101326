// The allocator's SSH key, opened: sealed at rest, in memory while the server runs. `lablink ssh-key` prints it for an admin
// who has to enter a machine by hand.
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { deriveKey, secretKey } from '../secrets.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import { loadOrMakeSshKeyPair, type SshKeyPairResult } from '../ssh/kept-key.ts';
import { StartRefused, type Environment } from './environment.ts';

const PURPOSE = 'ssh-key/1';

/** @param secret the installation's, as SECRET_KEY or the data folder has it */
export async function openSshKey(dataDir: string, secret: string): Promise<SshKeyPair> {
  const key = await loadOrMakeSshKeyPair(dataDir, deriveKey(secret, PURPOSE));
  if (!key.ok) throw new StartRefused(key.problem, key.remedy);
  return key.keyPair;
}

/** The same without a server. */
export async function readSshKey({ config, env, machine }: Environment): Promise<SshKeyPairResult> {
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, machine });
  if (!folder.ok) return { ok: false, problem: folder.problem.message, remedy: folder.problem.remedy };
  const secret = await secretKey(config.secretKey, folder.dataDir);
  if (!secret.ok) return { ok: false, ...secret.fault };
  return loadOrMakeSshKeyPair(folder.dataDir, deriveKey(secret.value, PURPOSE));
}
