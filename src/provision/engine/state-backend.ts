// Where Pulumi stores the state of this deployment, and what encrypts the secrets in it.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { checkInFile, type CheckStore } from './passphrase-check.ts';

export type StateBackend = {
  readonly backendUrl: string;
  readonly project: string;
  /** Fully qualified. */
  readonly stack: string;
  readonly secretsProvider: string;
  /** Null if a cloud key encrypts the secrets, as is `check`. */
  readonly passphrase: string | null;
  readonly check: CheckStore | null;
  /** Pulumi's file of this stack, if it is on a disk of this server. */
  readonly stackFile: string | null;
  /** The folder of its locks, likewise. */
  readonly lockFolder: string | null;
};

export type BackendConfig = {
  readonly backendUrl: string | undefined;
  readonly secretsProvider: string | undefined;
  readonly deployment: { readonly name: string; readonly environment: string };
  /** The default folder of the state; absolute. */
  readonly folder: string;
  /** For the check value if the state is neither on a disk of this server nor in a bucket. */
  readonly root: string;
  readonly passphrase: string;
  /** The check value next to a state that the provider stores; null for other URLs. */
  readonly checkInCloud: (backendUrl: string, name: string) => CheckStore | null;
};

export function stateBackend(config: BackendConfig): StateBackend {
  const { deployment, folder, root, secretsProvider } = config;
  const project = `lablink-${deployment.name}`;
  const stack = `organization/${project}/${deployment.environment}`;
  const backendUrl = config.backendUrl ?? pathToFileURL(folder).href;
  const local = backendUrl.startsWith('file:') ? folderOf(backendUrl) : null;
  const name = `lablink-check.${project}.${deployment.environment}`;
  const check = config.checkInCloud(backendUrl, name) ?? checkInFile(join(local ?? root, name));
  return {
    backendUrl,
    project,
    stack,
    secretsProvider: secretsProvider ?? 'passphrase',
    passphrase: secretsProvider === undefined ? config.passphrase : null,
    check: secretsProvider === undefined ? check : null,
    stackFile:
      local === null ? null : join(local, '.pulumi/stacks', project, `${deployment.environment}.json`),
    lockFolder: local === null ? null : join(local, '.pulumi/locks', stack),
  };
}

/** Null for URLs such as file://~, which only Pulumi understands. */
function folderOf(url: string): string | null {
  try {
    return fileURLToPath(new URL(url));
  } catch {
    return null;
  }
}
