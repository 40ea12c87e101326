// The program with Pulumi's mocks: what it asks the engine for, and what it must not hold.
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { clientVms } from '../../infra/client-vms.ts';
import type { ClientVmsSpec } from '../../infra/spec.ts';
import { fleetSpec, machineSpec } from './fixture.ts';
import { runProgram, type ProgramRun, type Registered } from './run-program.ts';

const INSTANCE = 'aws:ec2/instance:Instance';
/** AWS gives them no tags. */
const WITHOUT_TAGS = [
  'aws:iam/rolePolicy:RolePolicy',
  'aws:lambda/permission:Permission',
  'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter',
];

function find({ resources }: ProgramRun, type: string, name: string): Registered {
  const found = resources.find((resource) => resource.type === type && resource.name === name);
  if (!found) throw new Error(`there is no ${type} ${name}`);
  return found;
}

const machines = ({ resources }: ProgramRun) => resources.filter(({ type }) => type === INSTANCE);
const script = (machine: Registered): string =>
  gunzipSync(Buffer.from(String(machine.inputs['userDataBase64']), 'base64')).toString();
const securityGroup = (run: ProgramRun) =>
  find(run, 'aws:ec2/securityGroup:SecurityGroup', 'machines').inputs;

const run = await runProgram(fleetSpec());

describe('the resources of the program', () => {
  test('the program creates one instance per hostname and the shared resources once', () => {
    expect(run.resources.map(({ type, name }) => `${type} ${name}`).toSorted()).toEqual([
      'aws:cloudwatch/logGroup:LogGroup forwarder-logs',
      'aws:cloudwatch/logGroup:LogGroup logs',
      'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter forwarder',
      'aws:ec2/instance:Instance lablink-vm-prod-1',
      'aws:ec2/instance:Instance lablink-vm-prod-2',
      'aws:ec2/keyPair:KeyPair allocator',
      'aws:ec2/securityGroup:SecurityGroup machines',
      'aws:iam/instanceProfile:InstanceProfile machine',
      'aws:iam/role:Role forwarder',
      'aws:iam/role:Role machine',
      'aws:iam/rolePolicy:RolePolicy forwarder-logs',
      'aws:iam/rolePolicy:RolePolicy machine-logs',
      'aws:lambda/function:Function forwarder',
      'aws:lambda/permission:Permission forwarder',
    ]);
  });

  test('a machine has the inputs of its spec and an encrypted disk, and terminates when it shuts down', () => {
    const { inputs } = find(run, INSTANCE, 'lablink-vm-prod-1');
    const { userDataBase64, tags, volumeTags, ...rest } = inputs;
    expect(rest).toEqual({
      ami: 'ami-0a1',
      instanceType: 'g4dn.xlarge',
      subnetId: 'subnet-0a1',
      vpcSecurityGroupIds: ['id-of-machines'],
      keyName: find(run, 'aws:ec2/keyPair:KeyPair', 'allocator').inputs['keyName'],
      iamInstanceProfile: find(run, 'aws:iam/instanceProfile:InstanceProfile', 'machine').inputs['name'],
      rootBlockDevice: { volumeType: 'gp3', volumeSize: 80, encrypted: true, deleteOnTermination: true },
      metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
      instanceInitiatedShutdownBehavior: 'terminate',
    });
    expect(tags).toEqual({
      Name: 'lablink-vm-prod-1',
      'lablink:deployment': 'lablink',
      'lablink:environment': 'prod',
      'lablink:uid': 'a3c1f8d2-7a52-4c7e-8a5f-1d2f3a4b5c6d',
      'lablink:hostname': 'lablink-vm-prod-1',
      'lablink:launch': '7f0c7c52-3d34-4a0c-9a53-0a4f3f0f6d21',
    });
    expect(volumeTags).toEqual(tags);
    expect(String(userDataBase64)).toMatch(/^[A-Za-z0-9+/]+=*$/);
  });

  test('machines may differ in type, GPU, zone and launch', async () => {
    const other = machineSpec(3, {
      instanceType: 't3.large',
      nvidia: false,
      subnetId: 'subnet-0b2',
      launchId: 'b',
    });
    const mixed = machines(await runProgram(fleetSpec({ machines: [machineSpec(1), other] })));
    expect(mixed.map(({ inputs }) => [inputs['instanceType'], inputs['subnetId']])).toEqual([
      ['g4dn.xlarge', 'subnet-0a1'],
      ['t3.large', 'subnet-0b2'],
    ]);
    expect(mixed.map(script).map((text) => /LABLINK_NVIDIA='(.*)'/.exec(text)?.[1])).toEqual([
      'true',
      'false',
    ]);
  });

  test('the outputs have the addresses of each machine by hostname', () => {
    const facts = { publicIp: '203.0.113.7', privateIp: '10.0.0.7' };
    expect(run.outputs).toEqual({
      machines: {
        'lablink-vm-prod-1': { instanceId: 'id-of-lablink-vm-prod-1', ...facts },
        'lablink-vm-prod-2': { instanceId: 'id-of-lablink-vm-prod-2', ...facts },
      },
    });
  });

  test('every taggable resource has our tags, and no resource is protected', () => {
    for (const { type, inputs, protect, deleteBeforeReplace } of run.resources) {
      expect([protect, deleteBeforeReplace]).toEqual([false, false]);
      if (WITHOUT_TAGS.includes(type)) continue;
      expect(inputs['tags'], type).toMatchObject({
        'lablink:deployment': 'lablink',
        'lablink:environment': 'prod',
        'lablink:uid': 'a3c1f8d2-7a52-4c7e-8a5f-1d2f3a4b5c6d',
      });
    }
  });

  test('the shared resources exist without machines', async () => {
    const empty = await runProgram(fleetSpec({ machines: [] }));
    expect(empty.outputs).toEqual({ machines: {} });
    expect(empty.resources).toHaveLength(run.resources.length - 2);
    expect(machines(empty)).toEqual([]);
  });

  test('too large user data stops the program before it creates anything', async () => {
    const content = Array.from({ length: 40_000 }, (_, index) => String(Math.sin(index))).join('');
    await expect(clientVms(fleetSpec({ startupScript: { content, onError: 'fail' } }))()).rejects.toThrow(
      /would have [\d,]+ bytes, but EC2 accepts 16,384\. The start-up script has [\d,]+\./,
    );
  });
});

describe('an existing machine', () => {
  test('changes of all inputs of an existing machine are ignored', () => {
    for (const { inputs, ignoreChanges } of machines(run))
      expect(Object.keys(inputs).filter((name) => !ignoreChanges.includes(name))).toEqual([]);
  });

  test('a larger spec adds machines and changes nothing else', async () => {
    const grown = await runProgram(
      fleetSpec({ machines: [1, 2, 3, 4].map((number) => machineSpec(number)) }),
    );
    const before = run.resources.map((resource) => JSON.stringify(resource));
    const added = grown.resources.filter((resource) => !before.includes(JSON.stringify(resource)));
    expect(added.map(({ name }) => name)).toEqual(['lablink-vm-prod-3', 'lablink-vm-prod-4']);
    expect(grown.resources).toHaveLength(run.resources.length + 2);
  });

  test('another configuration changes shared resources only where machines do not notice', async () => {
    const changed = await runProgram(
      fleetSpec({
        vpcId: 'vpc-0b2',
        amiId: 'ami-0b2',
        diskGb: 200,
        container: { image: 'another', repository: 'https://example.org/r.git', software: 'other' },
        allocator: { url: 'https://other.example.org', sshCidrs: ['192.0.2.1/32'] },
        logs: { group: '/lablink/prod', retentionDays: 30, forwarderToken: 'another' },
      }),
    );
    const notices = changed.resources.flatMap(({ type, name, inputs, ignoreChanges }) => {
      const before = find(run, type, name).inputs;
      const differs = (key: string) => JSON.stringify(inputs[key]) !== JSON.stringify(before[key]);
      return Object.keys(inputs)
        .filter((key) => differs(key) && !ignoreChanges.includes(key))
        .map((key) => `${name}: ${key}`);
    });
    expect(notices.toSorted()).toEqual([
      'forwarder-logs: retentionInDays',
      'forwarder: environment',
      'logs: retentionInDays',
      'machines: ingress',
    ]);
  });

  test('another SSH key creates a key pair with another name', async () => {
    const changed = await runProgram(fleetSpec({ sshPublicKey: 'ssh-ed25519 another' }));
    const nameIn = (of: ProgramRun) => find(of, 'aws:ec2/keyPair:KeyPair', 'allocator').inputs['keyName'];
    expect(nameIn(changed)).not.toBe(nameIn(run));
  });
});

describe('the permissions', () => {
  test('the security group allows SSH from the allocator and all outgoing traffic', async () => {
    const sshCidrs = ['198.51.100.7/32', '2001:db8::7/128'];
    const spec = fleetSpec({ allocator: { url: 'https://lab.example.org', sshCidrs } });
    expect(securityGroup(await runProgram(spec))).toMatchObject({
      vpcId: 'vpc-0a1',
      ingress: [
        {
          protocol: 'tcp',
          fromPort: 22,
          toPort: 22,
          cidrBlocks: ['198.51.100.7/32'],
          ipv6CidrBlocks: ['2001:db8::7/128'],
        },
      ],
      egress: [{ protocol: '-1', cidrBlocks: ['0.0.0.0/0'], ipv6CidrBlocks: ['::/0'] }],
    });
  });

  test('the security group allows no incoming traffic without an SSH address', async () => {
    const spec = fleetSpec({ allocator: { url: 'https://lab.example.org', sshCidrs: [] } });
    expect(securityGroup(await runProgram(spec))['ingress']).toEqual([]);
  });

  test('machines may write only to their log group, and the forwarder only to its own', () => {
    const policies = run.resources.filter(({ type }) => type === 'aws:iam/rolePolicy:RolePolicy');
    const statements = policies.map(({ name, inputs }) => [
      name,
      JSON.parse(String(inputs['policy'])) as unknown,
    ]);
    const logsOf = (group: string) => ({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'],
          Resource: [`arn:aws:cloudwatch/logGroup:::${group}`, `arn:aws:cloudwatch/logGroup:::${group}:*`],
        },
      ],
    });
    expect(Object.fromEntries(statements)).toEqual({
      'machine-logs': logsOf('logs'),
      'forwarder-logs': logsOf('forwarder-logs'),
    });
    expect(run.resources.some(({ type }) => type.includes('olicyAttachment'))).toBe(false);
  });

  test('the subscription filter sends the log group to the forwarder after the permission exists', () => {
    const permission = find(run, 'aws:lambda/permission:Permission', 'forwarder');
    expect(permission.inputs).toMatchObject({
      action: 'lambda:InvokeFunction',
      principal: 'logs.amazonaws.com',
      sourceArn: 'arn:aws:cloudwatch/logGroup:::logs:*',
    });
    const filter = find(run, 'aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter', 'forwarder');
    expect(filter.inputs).toMatchObject({ logGroup: '/lablink/prod', filterPattern: '' });
    expect(filter.dependencies.some((urn) => urn.includes('Permission'))).toBe(true);
  });
});

describe('names', () => {
  const namesOf = ({ resources }: ProgramRun): string[] =>
    resources.flatMap(({ type, inputs }) => {
      const name = inputs['keyName'] ?? inputs['name'];
      const isOwn = typeof name === 'string' && !['aws:iam/rolePolicy:RolePolicy', INSTANCE].includes(type);
      return isOwn && name !== '/lablink/prod' ? [name] : [];
    });

  test('two deployments in one account have different resource names', async () => {
    const others: Partial<ClientVmsSpec>[] = [
      { deploymentUid: 'another' },
      { environment: 'test' },
      { deployment: 'lablink-prod', environment: 'x' },
      { deployment: 'lablink', environment: 'prod-x' },
    ];
    const runs = [run, ...(await inTurn(others.map((parts) => fleetSpec(parts))))];
    const names = runs.map((one) => [...new Set(namesOf(one))]);
    expect(names[0]?.length).toBeGreaterThanOrEqual(5);
    expect(new Set(names.flat()).size).toBe(names.flat().length);
  });

  test('the longest configured names stay within the limits of AWS', async () => {
    const long = 'a'.repeat(24);
    const names = namesOf(await runProgram(fleetSpec({ deployment: long, environment: long })));
    for (const name of names.filter((one) => !one.startsWith('/')))
      expect(name).toMatch(/^[A-Za-z0-9-]{1,64}$/);
  });
});

describe('secrets', () => {
  test('the token of a machine is only in its user data, and that of the forwarder only in its environment', () => {
    for (const resource of run.resources) {
      const isMachine = resource.type === INSTANCE;
      const isForwarder = resource.type === 'aws:lambda/function:Function';
      expect(resource.secrets).toEqual(
        isMachine ? ['userDataBase64'] : isForwarder ? ['environment.variables.LOG_FORWARDER_TOKEN'] : [],
      );
      const text = JSON.stringify(resource.inputs);
      expect(text).not.toContain('lvt_');
      expect(text.includes('the token of the forwarder')).toBe(isForwarder);
    }
    const [first, second] = machines(run).map(script);
    expect(first).toContain("API_TOKEN='lvt_token-of-machine-1'");
    expect(first).not.toContain('machine-2');
    expect(second).toContain("API_TOKEN='lvt_token-of-machine-2'");
    for (const text of [first, second]) expect(text).not.toContain('the token of the forwarder');
  });

  test('the same spec gives identical resources', async () => {
    expect((await runProgram(fleetSpec())).resources.map((one) => JSON.stringify(one)).toSorted()).toEqual(
      run.resources.map((one) => JSON.stringify(one)).toSorted(),
    );
  });
});

/** Pulumi's runtime is one for the process. */
async function inTurn(specs: readonly ClientVmsSpec[]): Promise<ProgramRun[]> {
  const runs: ProgramRun[] = [];
  for (const spec of specs) runs.push(await runProgram(spec));
  return runs;
}
