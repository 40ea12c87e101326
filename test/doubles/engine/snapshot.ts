// The resources and pending operations of a stack, and their format in a checkpoint.
import type { Backend, StackRef } from './backend.ts';
import { Failure } from './failure.ts';
import {
  createCrypter,
  decryptSecrets,
  encryptSecrets,
  openCrypter,
  wrongPassphrase,
  type Crypter,
} from './secrets.ts';
import { SECRET, SIGNATURE, hasSecrets, isObject, mapProps, type Props } from './values.ts';

export const VERSION = '3.260.0';

export type Resource = {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly id: string;
  readonly parent: string;
  /** `<urn>::<id>` of its provider, or an empty string. */
  readonly provider: string;
  readonly inputs: Props;
  readonly outputs: Props;
  /** The URNs of the resources that are created before it and deleted after it. */
  readonly dependencies: readonly string[];
  /** By input property: the URNs of the resources that its value comes from. */
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  /** It was deleted before its replacement, which does not exist yet. */
  readonly pendingReplacement?: boolean;
  readonly created: string;
};

type Operation = {
  readonly resource: Resource;
  readonly type: 'creating' | 'updating' | 'deleting';
};

export type Snapshot = {
  resources: Resource[];
  operations: Operation[];
};

type Deployment = {
  readonly manifest: { readonly time: string; readonly magic: string; readonly version: string };
  readonly secrets_providers?: { readonly type: 'passphrase'; readonly state: { readonly salt: string } };
  readonly resources?: readonly Resource[];
  readonly pending_operations?: readonly Operation[];
  readonly metadata: Props;
};

type Checkpoint = {
  readonly version: 3;
  readonly checkpoint: { readonly stack: string; readonly latest: Deployment };
};

/** The deployment in the checkpoint of a stack, with encrypted secrets. */
export function readDeployment(backend: Backend): Deployment {
  const value = backend.readCheckpoint();
  if (!isObject(value) || value['version'] !== 3) throw new Failure('unsupported checkpoint version');
  return (value as Checkpoint).checkpoint.latest;
}

/**
 * The decrypted snapshot, and the crypter for later writes. Like the real engine, this rejects a wrong passphrase only if the
 * state contains a secret. A state without secrets silently gets a new salt for the given passphrase.
 */
export function readSnapshot(backend: Backend, passphrase: string): { snapshot: Snapshot; crypter: Crypter } {
  const deployment = readDeployment(backend);
  const salt = deployment.secrets_providers?.state.salt;
  const existing = salt === undefined ? null : openCrypter(passphrase, salt);
  const stored = [deployment.resources ?? [], deployment.pending_operations ?? []];
  if (!existing && hasSecrets(stored)) throw wrongPassphrase();
  const crypter = existing ?? createCrypter(passphrase);
  const decryptResource = (resource: Resource) =>
    mapResource(resource, (props) => decryptSecrets(props, crypter));
  return {
    crypter,
    snapshot: {
      resources: (deployment.resources ?? []).map(decryptResource),
      operations: (deployment.pending_operations ?? []).map(({ resource, type }) => ({
        resource: decryptResource(resource),
        type,
      })),
    },
  };
}

export function writeSnapshot(backend: Backend, snapshot: Snapshot, crypter: Crypter): void {
  const encryptResource = (resource: Resource) =>
    mapResource(resource, (props) => encryptSecrets(props, crypter));
  const latest: Deployment = {
    manifest: { time: new Date().toISOString(), magic: '', version: VERSION },
    secrets_providers: { type: 'passphrase', state: { salt: crypter.salt } },
    resources: snapshot.resources.map(encryptResource),
    pending_operations: snapshot.operations.map(({ resource, type }) => ({
      resource: encryptResource(resource),
      type,
    })),
    metadata: {},
  };
  backend.writeCheckpoint({ version: 3, checkpoint: { stack: fullName(backend.stack), latest } });
}

/** The deployment as `stack export --show-secrets` prints it. */
export function withPlaintext(deployment: Deployment, crypter: Crypter): Deployment {
  const shown = (props: Props) =>
    mapProps(decryptSecrets(props, crypter), ({ value }) => ({
      [SIGNATURE]: SECRET,
      plaintext: JSON.stringify(value),
    }));
  return {
    ...deployment,
    resources: (deployment.resources ?? []).map((resource) => mapResource(resource, shown)),
    pending_operations: (deployment.pending_operations ?? []).map(({ resource, type }) => ({
      resource: mapResource(resource, shown),
      type,
    })),
  };
}

export function fullName({ organization, project, name }: StackRef): string {
  return `${organization}/${project}/${name}`;
}

function mapResource(resource: Resource, map: (props: Props) => Props): Resource {
  return { ...resource, inputs: map(resource.inputs), outputs: map(resource.outputs) };
}

/** Whether the resource must be deleted before the one with this URN. */
export function dependsOn(other: Resource, urn: string): boolean {
  return (
    other.urn !== urn &&
    (other.dependencies.includes(urn) || other.parent === urn || other.provider.startsWith(`${urn}::`))
  );
}
