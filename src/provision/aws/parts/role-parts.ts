// Roles and the instance profile: IAM knows them by name, and lets nothing go that still has something in it.
import {
  DeleteInstanceProfileCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetInstanceProfileCommand,
  GetRoleCommand,
  IAMClient,
  paginateListAttachedRolePolicies,
  paginateListRolePolicies,
  RemoveRoleFromInstanceProfileCommand,
  type Tag,
} from '@aws-sdk/client-iam';
import { TAG } from '../../../../infra/tags.ts';
import { allPages, clientSettings } from '../clients.ts';
import { unlessMissing, type PartKind, type PartOwner } from './part.ts';

const MISSING = /^NoSuchEntity/;

/** Profile first: a role does not go while a profile has it. */
export function roleParts({ region, uid, roles, profile }: PartOwner): readonly PartKind[] {
  const iam = new IAMClient(clientSettings(region));
  const isOurs = (tags: readonly Tag[] | undefined): boolean =>
    tags?.some(({ Key, Value }) => Key === TAG.uid && Value === uid) ?? false;
  return [profileKind(iam, profile, isOurs), ...roles.map((name) => roleKind(iam, name, isOurs))];
}

type IsOurs = (tags: readonly Tag[] | undefined) => boolean;

function profileKind(iam: IAMClient, name: string, isOurs: IsOurs): PartKind {
  const find = async (InstanceProfileName: string, abortSignal: AbortSignal) => {
    const asked = iam.send(new GetInstanceProfileCommand({ InstanceProfileName }), { abortSignal });
    return (await unlessMissing(MISSING, asked))?.InstanceProfile ?? null;
  };
  return {
    named: 'instance profiles',
    list: async (abortSignal) => {
      const found = await find(name, abortSignal);
      if (!isOurs(found?.Tags)) return [];
      const type = 'aws:iam/instanceProfile:InstanceProfile';
      return [{ type, id: name, what: 'instance profile', holdsLogs: false }];
    },
    remove: async (InstanceProfileName, abortSignal) => {
      const found = await find(InstanceProfileName, abortSignal);
      for (const { RoleName } of found?.Roles ?? []) {
        const command = new RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName });
        await unlessMissing(MISSING, iam.send(command, { abortSignal }));
      }
      const command = new DeleteInstanceProfileCommand({ InstanceProfileName });
      await unlessMissing(MISSING, iam.send(command, { abortSignal }));
    },
  };
}

function roleKind(iam: IAMClient, name: string, isOurs: IsOurs): PartKind {
  return {
    named: 'roles',
    list: async (abortSignal) => {
      const asked = iam.send(new GetRoleCommand({ RoleName: name }), { abortSignal });
      if (!isOurs((await unlessMissing(MISSING, asked))?.Role?.Tags)) return [];
      return [{ type: 'aws:iam/role:Role', id: name, what: 'role', holdsLogs: false }];
    },
    remove: async (RoleName, abortSignal) => {
      await unlessMissing(MISSING, emptyRole(iam, RoleName, abortSignal));
      await unlessMissing(MISSING, iam.send(new DeleteRoleCommand({ RoleName }), { abortSignal }));
    },
  };
}

async function emptyRole(client: IAMClient, RoleName: string, abortSignal: AbortSignal): Promise<void> {
  const inside = paginateListRolePolicies({ client }, { RoleName }, { abortSignal });
  for (const PolicyName of await allPages(inside, ({ PolicyNames }) => PolicyNames))
    await client.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }), { abortSignal });
  const attached = paginateListAttachedRolePolicies({ client }, { RoleName }, { abortSignal });
  for (const { PolicyArn } of await allPages(attached, ({ AttachedPolicies }) => AttachedPolicies))
    await client.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }), { abortSignal });
}
