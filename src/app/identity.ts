// Secrets and names that a deployment generates once and keeps: in the data folder, and in the database what all allocators
// of it must agree on.
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { resolveDataDir } from '../db/embedded/data-dir.ts';
import { keepShared, keepUid, takeUid } from '../db/identity.ts';
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
import { readSshKeyPair, type SshKeyPair } from '../ssh/key-pair.ts';
import { loadOrMakeSshKeyPair, replaceSshKeyPair, type KeptKeyPair } from '../ssh/kept-key.ts';
import { seal, unseal } from '../ssh/seal.ts';
import { required, StartError, type AppContext } from './context.ts';
import { checkPassword } from './risks.ts';
import type { Data } from './data.ts';

export type Identity = {
  readonly admin: AdminCredentials;
  readonly secretKey: string;
  readonly forwarderToken: string | undefined;
  readonly sshKey: SshKeyPair;
};

const SSH_KEY_PURPOSE = 'ssh-key/1';
const TOKEN_PURPOSE = 'forwarder-token/1';
const FINGERPRINT_PURPOSE = 'fingerprint/1';
const OTHER_SECRET = {
  code: 'other_secret_key',
  message: 'An allocator with another SECRET_KEY has used this database.',
  remedy:
    'Set SECRET_KEY to that of the other allocator (the file secret-key in its data folder), or use another database. If that key is lost: `update deployment_identity set secret_fingerprint = null, ssh_key = null, forwarder_token = null`; participants then need their PIN, and existing machines do not accept the new SSH key.',
};
const FORWARDER_TOKEN_FILE = 'log-forwarder-token';
const SECRET_BYTES = 32;
const UID_FILE = 'deployment-uid';
const UID_CHARACTERS = 22;
const UID_BYTES = 16;
const FILE_MODE = 0o600;

/** Throws StartError. */
export async function openIdentity({ config }: Pick<AppContext, 'config'>, data: Data): Promise<Identity> {
  const { dataDir } = data;
  const key = required(await secretKey(config.secretKey, dataDir));
  const admin = required(await adminCredentials(config.admin, dataDir));
  required(checkPassword({ config, admin }));
  const own = required(await loadOrMakeSshKeyPair(dataDir, deriveKey(key, SSH_KEY_PURPOSE)));
  await deploymentUid(data, null);
  await requireSameSecret(data, key);
  return {
    secretKey: key,
    admin,
    forwarderToken: await forwarderToken(config, data, deriveKey(key, TOKEN_PURPOSE)),
    sshKey: await sharedSshKey(data, own, deriveKey(key, SSH_KEY_PURPOSE)),
  };
}

/** With another secret, cookies, PINs of browsers and sealed keys of the other allocators would not be understood. */
async function requireSameSecret({ database: { db } }: Data, key: string): Promise<void> {
  const own = deriveKey(key, FINGERPRINT_PURPOSE).toString('hex');
  if ((await keepShared(db, 'secret_fingerprint', own)) !== own) throw new StartError(OTHER_SECRET);
}

/** The database's key wins, and the folder follows. */
async function sharedSshKey({ database: { db } }: Data, own: KeptKeyPair, key: Buffer): Promise<SshKeyPair> {
  const privateKey = openShared(await keepShared(db, 'ssh_key', seal(own.privateKey, key)), key);
  if (privateKey === own.privateKey) return own;
  const shared = readSshKeyPair(privateKey);
  if (shared === undefined) throw new StartError(OTHER_SECRET);
  await replaceSshKeyPair(own.path, shared, key);
  return shared;
}

function openShared(sealed: string, key: Buffer): string {
  const opened = unseal(sealed, key);
  if (!opened.ok) throw new StartError(OTHER_SECRET);
  return opened.value;
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
async function forwarderToken(
  { tokens, provider }: Config,
  { dataDir, database: { db } }: Data,
  key: Buffer,
): Promise<string | undefined> {
  if (tokens.logForwarder !== undefined || !definitionOf(provider).needsLogForwarder)
    return tokens.logForwarder;
  const own = await keptSecret(dataDir, FORWARDER_TOKEN_FILE);
  return openShared(await keepShared(db, 'forwarder_token', seal(own, key)), key);
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
