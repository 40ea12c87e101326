// What the policy allows Pulumi's AWS plugin (infra/plugin-calls.ts), against the calls of its double: the real program is run on it, then
// each resource is read, changed and deleted. The real plugin is not here; what its double does not call stands in ONLY_IN_SOURCE.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { clientVms } from '../../infra/client-vms.ts';
import { pluginCalls } from '../../infra/plugin-calls.ts';
import { sessionPolicy, withImplied } from '../../infra/permissions.ts';
import { trustPolicy } from '../../infra/policies.ts';
import { createCloud } from '../../src/provision/aws/cloud.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { createProvider } from '../doubles/aws/provider.ts';
import { fleetSpec, machineSpec } from '../infra/fixture.ts';
import { runWithMocks } from '../infra/run-program.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

type Type = keyof typeof pluginCalls;
type Operation = 'create' | 'read' | 'update' | 'delete';
type Inputs = Record<string, unknown>;
const OPERATIONS: readonly Operation[] = ['create', 'read', 'update', 'delete'];

/** What the program changes of existing resources: with a new configuration, or in a new version. */
const CHANGES: Readonly<Partial<Record<Type, Inputs>>> = {
  'aws:ec2/securityGroup:SecurityGroup': {
    ingress: [{ protocol: 'tcp', fromPort: 22, toPort: 22, cidrBlocks: ['192.0.2.1/32'] }],
    egress: [{ protocol: 'tcp', fromPort: 0, toPort: 65535, cidrBlocks: ['0.0.0.0/0'] }],
    tags: { another: 'tag' },
  },
  'aws:ec2/keyPair:KeyPair': { tags: { another: 'tag' } },
  'aws:iam/role:Role': {
    assumeRolePolicy: trustPolicy('edgelambda.amazonaws.com'),
    description: 'other words',
    tags: { another: 'tag' },
  },
  'aws:iam/rolePolicy:RolePolicy': { policy: JSON.stringify(sessionPolicy()) },
  'aws:iam/instanceProfile:InstanceProfile': { tags: { another: 'tag' } },
  'aws:cloudwatch/logGroup:LogGroup': { retentionInDays: 3, tags: { another: 'tag' } },
  'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter': { filterPattern: 'ERROR' },
  'aws:lambda/function:Function': { code: 'another', memorySize: 512, tags: { another: 'tag' } },
};

/** What the real plugin asks for besides, and its double has no use for: it is in the source only (`source` of pluginCalls). */
const ONLY_IN_SOURCE: Readonly<Partial<Record<`${Operation} ${Type}`, readonly string[]>>> = {
  'create aws:ec2/instance:Instance': ['ec2:DescribeImages'],
  'read aws:ec2/instance:Instance': [
    'ec2:DescribeInstanceAttribute',
    'ec2:DescribeInstanceCreditSpecifications',
    'ec2:DescribeInstanceTypes',
    'ec2:DescribeTags',
    'ec2:DescribeVolumes',
  ],
  'delete aws:ec2/instance:Instance': ['ec2:DescribeInstances', 'ec2:ModifyInstanceAttribute'],
  'delete aws:ec2/securityGroup:SecurityGroup': ['ec2:DescribeNetworkInterfaces'],
  'read aws:iam/role:Role': ['iam:GetRolePolicy', 'iam:ListAttachedRolePolicies', 'iam:ListRolePolicies'],
  'delete aws:iam/role:Role': [
    'iam:DeleteRolePolicy',
    'iam:DetachRolePolicy',
    'iam:ListAttachedRolePolicies',
    'iam:ListInstanceProfilesForRole',
    'iam:RemoveRoleFromInstanceProfile',
  ],
  'read aws:iam/instanceProfile:InstanceProfile': ['iam:GetRole'],
  'read aws:cloudwatch/logGroup:LogGroup': ['logs:ListTagsForResource'],
  'read aws:lambda/function:Function': [
    'lambda:GetFunctionCodeSigningConfig',
    'lambda:ListVersionsByFunction',
  ],
};

describe.skipIf(!motoIsThere())('the calls of the plugin', { timeout: 120_000 }, () => {
  test('for each type of resource in the program are those that the policy is made of, and no others', async () => {
    await using cloud = await startCloud();
    const made = await callsOfEachType(cloud);
    const expected = Object.fromEntries(
      Object.entries(pluginCalls).flatMap(([type, calls]) =>
        OPERATIONS.map((operation) => {
          const key = `${operation} ${type as Type}` as const;
          const notHere = ONLY_IN_SOURCE[key] ?? [];
          expect(calls[operation], key).toEqual(expect.arrayContaining([...notHere]));
          return [key, calls[operation].filter((call) => !notHere.includes(call))];
        }),
      ),
    );
    expect(made).toEqual(expected);
  });

  test('are known where AWS wants a permission within another call', () => {
    expect(withImplied(['ec2:RunInstances'])).toEqual(['ec2:CreateTags', 'ec2:RunInstances', 'iam:PassRole']);
  });
});

/** By `<operation> <type>`: what the double of the plugin asks of AWS, sorted; of creates and updates what is no read. */
async function callsOfEachType(cloud: TestCloud): Promise<Record<string, readonly string[]>> {
  for (const [name, value] of Object.entries(cloud.env)) vi.stubEnv(name, value);
  const folder = await mkdtemp(join(tmpdir(), 'lablink-plugin-'));
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });
  const { provider } = createProvider(folder);
  const made: Record<string, Set<string>> = {};
  let turn: Promise<unknown> = Promise.resolve();
  /** One after another: requests do not say what they are for. */
  function during<T>(operation: Operation, type: string, work: () => Promise<T>): Promise<T> {
    const done = turn.then(async () => {
      cloud.forgetRequests();
      const result = await work();
      const calls = (made[`${operation} ${type}`] ??= new Set());
      for (const { action } of cloud.requests()) calls.add(action);
      return result;
    });
    turn = done.catch(() => undefined);
    return done;
  }

  const resources: { urn: string; type: Type; id: string; inputs: Inputs; outs: Inputs }[] = [];
  await runWithMocks(clientVms(await specOn(cloud)), (type, name, given) =>
    during('create', type, async () => {
      const urn = `urn:pulumi:test::lablink::${type}::${name}`;
      const checked = await provider.check!(urn, {}, given);
      const inputs = checked.inputs as Inputs;
      const created = await provider.create!(urn, inputs);
      const [id, outs] = [created.id, created.outs as Inputs];
      resources.push({ urn, type: type as Type, id, inputs, outs });
      return { id, state: outs };
    }),
  );
  for (const { urn, type, id, inputs, outs } of resources) {
    await during('read', type, () => provider.read!(id, urn, outs));
    await during('update', type, async () => {
      const news = { ...inputs, ...CHANGES[type] };
      if (CHANGES[type]) await provider.update!(id, urn, outs, news);
    });
  }
  for (const { urn, type, id, outs } of resources.toReversed())
    await during('delete', type, () => provider.delete!(id, urn, outs));
  return Object.fromEntries(
    Object.entries(made).map(([key, calls]) => {
      const [operation = '', type = ''] = key.split(' ');
      const reading = ['create', 'update'].includes(operation) ? made[`read ${type}`] : undefined;
      return [key, [...calls.difference(reading ?? new Set())].sort()];
    }),
  );
}

async function specOn(cloud: TestCloud) {
  const { vpcId, subnets } = await createCloud({ region: cloud.region, uid: 'none' }).network({});
  const subnetId = subnets[0]?.subnetId ?? '';
  return fleetSpec({
    ...{ region: cloud.region, vpcId, amiId: 'ami-03cf127a' },
    sshPublicKey: makeSshKeyPair().publicKey,
    machines: [machineSpec(1, { subnetId, instanceType: 't3.micro', nvidia: false })],
  });
}
