// Where the engine keeps its state, and what protects the secrets in it. The engine encrypts a state without secrets anew
// with whatever passphrase it is given, and says nothing: a check value of ours beside the state notices before a run.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { bucketPlace, readOrKeep, type CheckPlace } from './check-place.ts';
import { CloudError } from './cloud-error.ts';
import type { Failure } from './engine/failure.ts';
import { failureOf } from './surroundings.ts';

export type StatePlace = {
  readonly backendUrl: string;
  readonly project: string;
  /** Qualified. */
  readonly stack: string;
  readonly secretsProvider: string;
  /** Null where a key of a cloud encrypts. */
  readonly passphrase: string | null;
  /** Where the check value is; null where there is none to check. */
  readonly check: CheckPlace | null;
  /** The engine's own file of this stack, where it is on a disk of ours. */
  readonly stackFile: string | null;
};

export type StateConfig = {
  readonly backendUrl: string | undefined;
  readonly secretsProvider: string | undefined;
  readonly deployment: { readonly name: string; readonly environment: string };
  /** The default folder; absolute. */
  readonly folder: string;
  /** Where a check value goes whose state is neither on a disk of ours nor in a bucket. */
  readonly root: string;
  readonly passphrase: string;
};

const deriveBytes = promisify<string, Buffer, number, Buffer>(scrypt);
const SALT_BYTES = 16;
const CHECK_BYTES = 32;

export function statePlace(config: StateConfig): StatePlace {
  const { deployment, folder, root, secretsProvider } = config;
  const project = `lablink-${deployment.name}`;
  const stack = `organization/${project}/${deployment.environment}`;
  const backendUrl = config.backendUrl ?? pathToFileURL(folder).href;
  const local = backendUrl.startsWith('file:') ? folderOf(backendUrl) : null;
  const name = `lablink-check.${project}.${deployment.environment}`;
  const checkPlace = bucketPlace(backendUrl, name) ?? {
    kind: 'file' as const,
    path: join(local ?? root, name),
  };
  return {
    backendUrl,
    project,
    stack,
    secretsProvider: secretsProvider ?? 'passphrase',
    passphrase: secretsProvider === undefined ? config.passphrase : null,
    check: secretsProvider === undefined ? checkPlace : null,
    stackFile:
      local === null ? null : join(local, '.pulumi/stacks', project, `${deployment.environment}.json`),
  };
}

/** The engine takes file://~ and relative ones too; those are left to it. */
function folderOf(url: string): string | null {
  try {
    return fileURLToPath(new URL(url));
  } catch {
    return null;
  }
}

const WRONG: Failure = {
  kind: 'credentials',
  problem: 'The passphrase of the state is not the one that it was made with.',
  remedy:
    'Set PULUMI_CONFIG_PASSPHRASE to the passphrase of before, or put the file pulumi-passphrase back into the data folder.',
};

/** Whether the passphrase is the one of before; the first one counts. Null where all is well. */
export async function checkPassphrase({
  check,
  passphrase,
}: Pick<StatePlace, 'check' | 'passphrase'>): Promise<Failure | null> {
  if (check === null || passphrase === null) return null;
  try {
    const kept = await readOrKeep(check, () => checkValue(passphrase));
    const [salt = '', value = ''] = kept.trim().split(':');
    const given = await deriveBytes(passphrase, Buffer.from(salt, 'base64'), CHECK_BYTES);
    const wanted = Buffer.from(value, 'base64');
    return wanted.length === given.length && timingSafeEqual(wanted, given) ? null : WRONG;
  } catch (error) {
    if (error instanceof CloudError) return failureOf(error);
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return {
      kind: 'engine',
      problem: `The folder of the state cannot be used: ${error.message}.`,
      remedy: 'Make room there, or let the user of this server write to it (DATA_DIR, PULUMI_BACKEND_URL).',
    };
  }
}

async function checkValue(passphrase: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const value = await deriveBytes(passphrase, salt, CHECK_BYTES);
  return `${salt.toString('base64')}:${value.toString('base64')}\n`;
}
