// What machines share, asked of the cloud itself: by our names and our uid. The clients for it are loaded when they are
// first needed: a server that has nothing to clear up does without them.
import { partNames } from '../../../../infra/names.ts';
import { toCloudError } from '../cloud-error.ts';
import type { CloudPart, PartKind, PartOwner } from './part.ts';

export type Parts = {
  /** What there is, in the order in which it can be removed; and, a sentence each, what could not be asked. */
  list(
    signal: AbortSignal,
  ): Promise<{ readonly parts: readonly CloudPart[]; readonly problems: readonly string[] }>;
  /** Throws CloudError. */
  remove(part: CloudPart, signal: AbortSignal): Promise<void>;
};

export type PartsOptions = {
  readonly region: string;
  readonly deployment: { readonly name: string; readonly environment: string };
  readonly uid: string;
  readonly sshPublicKey: string;
  /** Where the machines' logs are. */
  readonly logGroup: string;
};

export function createParts(options: PartsOptions): Parts {
  let kinds: Promise<readonly PartKind[]> | null = null;
  const load = (): Promise<readonly PartKind[]> => (kinds ??= loadKinds(ownerOf(options)));
  const kindOf = new WeakMap<CloudPart, PartKind>();
  return {
    list: async (signal) => {
      const asked = (await load()).map(async (kind) => {
        try {
          const parts = await kind.list(signal);
          for (const part of parts) kindOf.set(part, kind);
          return { parts, problem: null };
        } catch (error) {
          return { parts: [], problem: toCloudError(error, `looking for our ${kind.named}`).message };
        }
      });
      const answers = await Promise.all(asked);
      const problems = answers.flatMap(({ problem }) => problem ?? []);
      return { parts: answers.flatMap(({ parts }) => parts), problems: [...new Set(problems)] };
    },
    remove: async (part, signal) => {
      try {
        await kindOf.get(part)?.remove(part.id, signal);
      } catch (error) {
        throw toCloudError(error, `removing the ${part.what} ${part.id}`);
      }
    },
  };
}

function ownerOf({ region, deployment, uid, sshPublicKey, logGroup }: PartsOptions): PartOwner {
  const { name, environment } = deployment;
  const names = partNames({ deployment: name, environment, deploymentUid: uid, sshPublicKey });
  return {
    region,
    uid,
    roles: [names.machineRole, names.forwarder],
    profile: names.machineRole,
    functionName: names.forwarder,
    logGroups: [logGroup, names.forwarderLogGroup],
  };
}

/** Each before what it uses: the function before its role, the profile before its role. */
async function loadKinds(owner: PartOwner): Promise<readonly PartKind[]> {
  const [functions, logs, roles, network] = await Promise.all([
    import('./function-parts.ts'),
    import('./log-parts.ts'),
    import('./role-parts.ts'),
    import('./network-parts.ts'),
  ]);
  return [
    ...functions.functionParts(owner),
    ...roles.roleParts(owner),
    ...network.networkParts(owner),
    ...logs.logParts(owner),
  ];
}
