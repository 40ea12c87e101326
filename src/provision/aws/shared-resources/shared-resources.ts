// The resources that all machines of a deployment share (roles, security group, log groups and so on), as AWS has them:
// found by their names and our uid tag. The AWS clients are loaded at the first use.
import { resourceNames } from '../../../../infra/names.ts';
import { toCloudError } from '../cloud-error.ts';
import type { ResourceKind, ResourceOwner, SharedResource } from './kinds.ts';

export type SharedResources = {
  /** In the order in which they can be removed. `problems`: what could not be listed, one sentence each. */
  list(
    signal: AbortSignal,
  ): Promise<{ readonly resources: readonly SharedResource[]; readonly problems: readonly string[] }>;
  /** Throws CloudError. */
  remove(resource: SharedResource, signal: AbortSignal): Promise<void>;
};

export type SharedResourcesOptions = {
  readonly region: string;
  readonly deployment: { readonly name: string; readonly environment: string };
  readonly uid: string;
  readonly sshPublicKey: string;
  /** The log group of the machines. */
  readonly logGroup: string;
};

export function createSharedResources(options: SharedResourcesOptions): SharedResources {
  let kinds: Promise<readonly ResourceKind[]> | null = null;
  const loadKinds = async (): Promise<readonly ResourceKind[]> => {
    const { resourceKinds } = await import('./kinds.ts');
    return resourceKinds(ownerOf(options));
  };
  const kindOf = new WeakMap<SharedResource, ResourceKind>();
  return {
    list: async (signal) => {
      const listing = (await (kinds ??= loadKinds())).map(async (kind) => {
        try {
          const resources = await kind.list(signal);
          for (const resource of resources) kindOf.set(resource, kind);
          return { resources, problem: null };
        } catch (error) {
          return { resources: [], problem: toCloudError(error, `listing our ${kind.label}`).message };
        }
      });
      const listed = await Promise.all(listing);
      const problems = listed.flatMap(({ problem }) => problem ?? []);
      return { resources: listed.flatMap(({ resources }) => resources), problems: [...new Set(problems)] };
    },
    remove: async (resource, signal) => {
      try {
        await kindOf.get(resource)?.remove(resource.id, signal);
      } catch (error) {
        throw toCloudError(error, `deleting the ${resource.label} ${resource.id}`);
      }
    },
  };
}

function ownerOf(options: SharedResourcesOptions): ResourceOwner {
  const { region, deployment, uid, sshPublicKey, logGroup } = options;
  const { name, environment } = deployment;
  const names = resourceNames({ deployment: name, environment, deploymentUid: uid, sshPublicKey });
  return {
    region,
    uid,
    roles: [names.machineRole, names.forwarder],
    instanceProfile: names.machineRole,
    functionName: names.forwarder,
    logGroups: [logGroup, names.forwarderLogGroup],
  };
}
