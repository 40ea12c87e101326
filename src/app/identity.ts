// Secrets and names that a deployment generates once and keeps: in the data folder, and the uid in the database too.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { keepUid, takeUid } from '../db/identity.ts';
import { definitionOf } from '../provision/providers.ts';
import type { Result } from '../result.ts';
import {
  adminCredentials,
  deriveKey,
  loadOrCreateSecret,
  secretKey,
  type AdminCredentials,
} from '../secrets.ts';
import { keepSecret } from '../secrets/file.ts';
import type { SshKeyPair } from '../ssh/key-pair.ts';
import { loadOrMakeSshKeyPair, type KeptKeyPair } from '../ssh/kept-key.ts';
import { required, type AppContext } from './context.ts';
import { checkPassword } from './risks.ts';
import type { Data } from './data.ts';

export type Identity = {
  readonly admin: AdminCredentials;
  readonly secretKey: string;
  readonly forwarderToken: string | undefined;
  readonly sshKey: SshKeyPair;
};

const SSH_KEY_PURPOSE = 'ssh-key/1';
const FORWARDER_TOKEN_FILE = 'log-forwarder-token';
const SECRET_BYTES = 32;
const UID_FILE = 'deployment-uid';
const UID_CHARACTERS = 22;
const UID_BYTES = 16;
const FILE_MODE = 0o600;

/** Throws StartError. */
export async function openIdentity({ config }: AppContext, { dataDir }: Data): Promise<Identity> {
  const key = required(await secretKey(config.secretKey, dataDir));
  const admin = required(await adminCredentials(config.admin, dataDir));
  required(checkPassword({ config, admin }));
  return {
    secretKey: key,
    admin,
    forwarderToken: await forwarderToken(config, dataDir),
    sshKey: required(await loadOrMakeSshKeyPair(dataDir, deriveKey(key, SSH_KEY_PURPOSE))),
  };
}

/** The allocator's SSH key without a server, for `lablink ssh-key`. */
export async function readSshKey({ config, env, platform }: AppContext): Promise<Result<KeptKeyPair>> {
  const folder = await resolveDataDir({ dataDir: config.dataDir, env, platform });
  if (!folder.ok) return folder;
  const { dataDir } = folder.value;
  const secret = await secretKey(config.secretKey, dataDir);
  return secret.ok ? loadOrMakeSshKeyPair(dataDir, deriveKey(secret.value, SSH_KEY_PURPOSE)) : secret;
}

/** The token with which the log forwarder sends logs: configured, or generated if the provider has one. Throws StartError. */
async function forwarderToken({ tokens, provider }: Config, dataDir: string): Promise<string | undefined> {
  if (tokens.logForwarder !== undefined || !definitionOf(provider).needsLogForwarder)
    return tokens.logForwarder;
  return keptSecret(dataDir, FORWARDER_TOKEN_FILE);
}

/** A random secret in a file of the data folder. Throws StartError. */
export async function keptSecret(dataDir: string, name: string): Promise<string> {
  return required(await loadOrCreateSecret({ dataDir, name, bytes: SECRET_BYTES })).value;
}

/**
 * The random uid of the deployment. It is kept in the data folder, in the database and next to the provider's state, so that
 * the loss of one does not make the machines of this deployment orphans. The database wins, because several allocators may
 * share it; one that has done nothing yet takes over the uid of the state. Throws StartError.
 * @param ofState the uid next to the state; null = there is none
 */
export async function deploymentUid({ dataDir, database }: Data, ofState: string | null): Promise<string> {
  const kept = required(
    await keepSecret({
      dataDir,
      name: UID_FILE,
      leastCharacters: UID_CHARACTERS,
      make: () => randomBytes(UID_BYTES).toString('base64url'),
      randomBytes: (count) => randomBytes(count),
    }),
  );
  const { db } = database;
  const uid = ofState === null ? await keepUid(db, kept.value) : await takeUid(db, ofState);
  // The folder follows, so that a database that is wiped later gets the right uid back.
  if (uid !== kept.value) await writeFile(kept.path, `${uid}\n`, { mode: FILE_MODE });
  return uid;
}
