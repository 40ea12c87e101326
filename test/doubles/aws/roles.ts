// IAM roles, policies and instance profiles, at AWS_ENDPOINT_URL.
import type { ResourceHandler } from './provider.ts';
import {
  clientSettings,
  hasChanged,
  lazyClient,
  nullIfMissing,
  removedTags,
  tagListOf,
  textOf,
} from './sdk.ts';

const NOT_FOUND = /^NoSuchEntity/;
const iam = lazyClient(
  () => import('./services/iam.ts'),
  ({ IAMClient }) => new IAMClient(clientSettings),
);

const role: ResourceHandler = {
  inputs: ['name', 'assumeRolePolicy', 'description', 'tags', 'forceDetachPolicies'],
  autoname: 'name',
  replaceOnChanges: ['name'],
  create: async (_name, inputs) => {
    const { client, sdk } = await iam();
    const RoleName = String(inputs['name']);
    const created = await client.send(
      new sdk.CreateRoleCommand({
        RoleName,
        AssumeRolePolicyDocument: String(inputs['assumeRolePolicy']),
        Description: textOf(inputs['description']),
        Tags: tagListOf(inputs['tags']),
      }),
    );
    return { id: RoleName, computed: { arn: created.Role?.Arn, uniqueId: created.Role?.RoleId } };
  },
  read: async (RoleName) => {
    const { client, sdk } = await iam();
    const found = await nullIfMissing(NOT_FOUND, client.send(new sdk.GetRoleCommand({ RoleName })));
    return found ? { arn: found.Role?.Arn, uniqueId: found.Role?.RoleId } : null;
  },
  update: async (RoleName, olds, news) => {
    const { client, sdk } = await iam();
    if (hasChanged(olds, news, 'description')) {
      const Description = textOf(news['description']) ?? '';
      await client.send(new sdk.UpdateRoleDescriptionCommand({ RoleName, Description }));
    }
    if (hasChanged(olds, news, 'assumeRolePolicy')) {
      const PolicyDocument = String(news['assumeRolePolicy']);
      await client.send(new sdk.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
    }
    const TagKeys = removedTags(olds, news);
    if (TagKeys.length > 0) await client.send(new sdk.UntagRoleCommand({ RoleName, TagKeys }));
    await client.send(new sdk.TagRoleCommand({ RoleName, Tags: tagListOf(news['tags']) }));
    return {};
  },
  // IAM refuses to delete a role that has policies. With forceDetachPolicies the provider deletes them first.
  delete: async (RoleName, props) => {
    const { client, sdk } = await iam();
    if (props['forceDetachPolicies'] === true) {
      const policies = await nullIfMissing(
        NOT_FOUND,
        client.send(new sdk.ListRolePoliciesCommand({ RoleName })),
      );
      for (const PolicyName of policies?.PolicyNames ?? [])
        await client.send(new sdk.DeleteRolePolicyCommand({ RoleName, PolicyName }));
    }
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DeleteRoleCommand({ RoleName })));
  },
};

const rolePolicy: ResourceHandler = {
  inputs: ['name', 'role', 'policy'],
  autoname: 'name',
  replaceOnChanges: ['name', 'role'],
  create: async (_name, inputs) => {
    const id = `${String(inputs['role'])}:${String(inputs['name'])}`;
    await putPolicy(id, inputs['policy']);
    return { id, computed: {} };
  },
  read: async (id) => {
    const { client, sdk } = await iam();
    return nullIfMissing(
      NOT_FOUND,
      client.send(new sdk.GetRolePolicyCommand(namesOf(id))).then(() => ({})),
    );
  },
  update: async (id, _olds, news) => {
    await putPolicy(id, news['policy']);
    return {};
  },
  delete: async (id) => {
    const { client, sdk } = await iam();
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DeleteRolePolicyCommand(namesOf(id))));
  },
};

async function putPolicy(id: string, policy: unknown): Promise<void> {
  const { client, sdk } = await iam();
  await client.send(new sdk.PutRolePolicyCommand({ ...namesOf(id), PolicyDocument: String(policy) }));
}

function namesOf(id: string): { RoleName: string; PolicyName: string } {
  const [RoleName = '', PolicyName = ''] = id.split(':');
  return { RoleName, PolicyName };
}

const instanceProfile: ResourceHandler = {
  inputs: ['name', 'role', 'tags'],
  autoname: 'name',
  replaceOnChanges: ['name'],
  create: async (_name, inputs) => {
    const { client, sdk } = await iam();
    const InstanceProfileName = String(inputs['name']);
    const created = await client.send(
      new sdk.CreateInstanceProfileCommand({ InstanceProfileName, Tags: tagListOf(inputs['tags']) }),
    );
    const RoleName = String(inputs['role']);
    await client.send(new sdk.AddRoleToInstanceProfileCommand({ InstanceProfileName, RoleName }));
    return { id: InstanceProfileName, computed: { arn: created.InstanceProfile?.Arn } };
  },
  read: async (InstanceProfileName) => {
    const { client, sdk } = await iam();
    const response = client.send(new sdk.GetInstanceProfileCommand({ InstanceProfileName }));
    const found = await nullIfMissing(NOT_FOUND, response);
    return found ? { arn: found.InstanceProfile?.Arn } : null;
  },
  update: async (InstanceProfileName, olds, news) => {
    const { client, sdk } = await iam();
    const TagKeys = removedTags(olds, news);
    if (TagKeys.length > 0)
      await client.send(new sdk.UntagInstanceProfileCommand({ InstanceProfileName, TagKeys }));
    const Tags = tagListOf(news['tags']);
    await client.send(new sdk.TagInstanceProfileCommand({ InstanceProfileName, Tags }));
    return {};
  },
  delete: async (InstanceProfileName, props) => {
    const { client, sdk } = await iam();
    const RoleName = String(props['role']);
    const removal = new sdk.RemoveRoleFromInstanceProfileCommand({ InstanceProfileName, RoleName });
    await nullIfMissing(NOT_FOUND, client.send(removal));
    const deletion = new sdk.DeleteInstanceProfileCommand({ InstanceProfileName });
    await nullIfMissing(NOT_FOUND, client.send(deletion));
  },
};

export const roleHandlers: Readonly<Record<string, ResourceHandler>> = {
  'aws:iam/role:Role': role,
  'aws:iam/rolePolicy:RolePolicy': rolePolicy,
  'aws:iam/instanceProfile:InstanceProfile': instanceProfile,
};
