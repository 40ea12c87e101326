// `lablink deploy` and `lablink destroy-deployment`, on the doubles of Pulumi and AWS.
import {
  DescribeAddressesCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
} from '@aws-sdk/client-ec2';
import { GetRoleCommand, GetRolePolicyCommand, ListRolePoliciesCommand } from '@aws-sdk/client-iam';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { succeed } from '../../src/result.ts';
import { readSettings } from '../../src/app/commands.ts';
import { programEnvironment } from '../../src/app/fleet.ts';
import { deploy, destroyDeployment } from '../../src/provision/aws/deployment/run.ts';
import type { CommandAnswer } from '../../src/provision/definition.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { testEngine } from '../support/engine.ts';
import { good } from '../support/load-config.ts';
import { motoIsThere } from '../support/moto.ts';

const ARGS = ['--domain', 'lab.example.org', '--image', 'registry.example.org/lablink:0.1.0-aws'];

describe.skipIf(!motoIsThere())('an allocator on AWS', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  let dataDir: string;
  beforeAll(async () => {
    cloud = await startCloud({ checksPermissions: false });
    dataDir = await mkdtemp(join(await realpath(tmpdir()), 'lablink-deploy-'));
    for (const [name, value] of Object.entries({ ...cloud.env, ...testEngine().env }))
      vi.stubEnv(name, value);
  }, 120_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(dataDir, { recursive: true });
    await cloud[Symbol.asyncDispose]();
  });

  function run(command: typeof deploy, args: readonly string[], lines: string[] = []) {
    const { config } = good({
      PULUMI_CLI_DIR: testEngine().pulumiRoot,
      DEPLOYMENT: 'lab',
      AWS_REGION: cloud.region,
    });
    const env = programEnvironment(process.env);
    const context = {
      ...{ config, dataDir, env, say: (line: string) => void lines.push(line) },
      cancelSignal: new AbortController().signal,
      readSettings,
      keptSecret: async (folder: string, name: string) => {
        const path = join(folder, name);
        await mkdir(folder, { recursive: true });
        const value = await readFile(path, 'utf8').catch(() => 'a secret that is made once');
        await writeFile(path, value);
        return succeed({ value, path });
      },
    };
    return command(args, context);
  }

  function expectAnswer({ text, exit }: CommandAnswer, wanted: CommandAnswer['exit'], part: string): void {
    expect(text).toContain(part);
    expect(exit).toBe(wanted);
  }

  /** Those that exist, in whatever state. */
  const instances = async () => {
    const { Reservations = [] } = await cloud.ec2.send(new DescribeInstancesCommand({}));
    return Reservations.flatMap(({ Instances = [] }) => Instances).filter(
      ({ State, Tags = [] }) =>
        State?.Name !== 'terminated' && Tags.some(({ Key }) => Key === 'lablink:allocator'),
    );
  };
  const stateOf = async (id: string) => {
    const asked = new DescribeInstancesCommand({ InstanceIds: [id] });
    return (await cloud.ec2.send(asked)).Reservations?.[0]?.Instances?.[0]?.State?.Name;
  };
  /** What exists of the only deployment. */
  const deployed = async (name: string) => {
    const [[instance], [address], [volume]] = await Promise.all([instances(), addresses(), volumes()]);
    const RoleName = `LabLink-allocator-${name}`;
    const { Role } = await cloud.sharedResources.iam.send(new GetRoleCommand({ RoleName }));
    if (!instance?.InstanceId || !address?.PublicIp || !volume?.VolumeId || !Role)
      throw new Error('something of the deployment is missing');
    const { InstanceId, ImageId, InstanceType, IamInstanceProfile, SecurityGroups = [] } = instance;
    return {
      ...{ instance: InstanceId, ami: ImageId, type: InstanceType },
      ...{ role: Role.RoleId, profile: IamInstanceProfile?.Arn },
      groups: SecurityGroups.map(({ GroupId }) => GroupId),
      ...{ address: address.PublicIp, allocation: address.AllocationId, addressOf: address.InstanceId },
      volume: volume.VolumeId,
      attachedTo: volume.Attachments?.map((attached) => attached.InstanceId),
    };
  };
  const policies = async (name: string) => {
    const RoleName = `LabLink-allocator-${name}`;
    return (await cloud.sharedResources.iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames;
  };
  const addresses = async () => (await cloud.ec2.send(new DescribeAddressesCommand({}))).Addresses ?? [];
  const volumes = async () => {
    const Filters = [{ Name: 'tag-key', Values: ['lablink:allocator'] }];
    return (await cloud.ec2.send(new DescribeVolumesCommand({ Filters }))).Volumes ?? [];
  };

  test('deployed, deployed again, refused while machines exist, destroyed with its data kept, and found again', async () => {
    const first = await run(deploy, [...ARGS, '--ami', IMAGE]);
    expect(first.text).toContain('has the address');
    expect(first.exit).toBe('ok');
    const [instance, ...others] = await instances();
    expect(others).toEqual([]);
    const [address] = await addresses();
    expect(address?.InstanceId).toBe(instance?.InstanceId);
    expect(first.text).toContain(`let lab.example.org lead to ${address?.PublicIp}`);
    const [volume] = await volumes();
    expect(volume?.Attachments?.[0]?.InstanceId).toBe(instance?.InstanceId);
    const file = join(dataDir, 'deployments/lab/admin-password');
    expect(first.text).toContain(file);
    expect(await cloud.bootOf(instance?.InstanceId ?? '')).toContain(volume?.VolumeId);
    expect((await readFile(file, 'utf8')).trim().length).toBeGreaterThan(20);

    expect((await run(deploy, [...ARGS, '--ami', IMAGE])).exit).toBe('ok');
    expect((await instances()).map(({ InstanceId }) => InstanceId)).toEqual([instance?.InstanceId]);

    const machine = await cloud.runOrphan({ 'lablink:deployment': 'lab' });
    const refused = await run(destroyDeployment, ['--confirm', 'lab']);
    expectAnswer(refused, 'failed', '1 machines');
    expect(await instances()).toHaveLength(1);
    await cloud.terminate(machine);

    const destroyed = await run(destroyDeployment, ['--confirm', 'lab']);
    expectAnswer(destroyed, 'ok', 'stays, and costs money');
    expect([await instances(), await addresses()]).toEqual([[], []]);
    expect((await cloud.sharedResources.list()).filter((line) => line.includes('LabLink'))).toEqual([]);
    expect((await volumes()).map(({ VolumeId }) => VolumeId)).toEqual([volume?.VolumeId]);

    expect((await run(deploy, [...ARGS, '--ami', IMAGE])).exit).toBe('ok');
    expect((await volumes()).map(({ VolumeId, State }) => [VolumeId, State])).toEqual([
      [volume?.VolumeId, 'in-use'],
    ]);
    const gone = await run(destroyDeployment, ['--confirm', 'lab', '--delete-data']);
    expectAnswer(gone, 'ok', 'has been deleted');
    expect([await instances(), await volumes()]).toEqual([[], []]);
    // Again: nothing is there, and that is no error.
    expect(await run(destroyDeployment, ['--confirm', 'lab'])).toMatchObject({ exit: 'ok' });
  });

  test('the instance is replaced for another image; address, data volume, security group and role stay', async () => {
    const name = ['--name', 'moved'];
    const again = (...args: string[]) => run(deploy, [...ARGS, '--ami', IMAGE, ...name, ...args]);
    expectAnswer(await again(), 'ok', 'has the address');
    const before = await deployed('moved');
    expect(before).toMatchObject({ attachedTo: [before.instance], addressOf: before.instance });

    // Sessions change the role only.
    expectAnswer(await again('--sessions'), 'ok', before.address);
    expect(await policies('moved')).toEqual(['allocator', 'session']);
    expectAnswer(await again(), 'ok', before.address);
    expect(await policies('moved')).toEqual(['allocator']);
    expect(await deployed('moved')).toEqual(before);

    // A newer AMI alone is no reason, and another type changes the instance as it is.
    cloud.faults.reset();
    const changed = await run(deploy, [...ARGS, ...name, '--ami', NEWER_IMAGE, '--type', 't3.large']);
    expectAnswer(changed, 'ok', before.address);
    expect(await deployed('moved')).toEqual({ ...before, type: 't3.large' });
    expect(changesOf(cloud.calls())).toEqual(['update aws:ec2/instance:Instance']);

    cloud.faults.reset();
    const moved = await again('--ami', NEWER_IMAGE, '--image', 'registry.example.org/lablink:0.2.0-aws');
    expectAnswer(moved, 'ok', before.address);
    const after = await deployed('moved');
    expect(after).toEqual({
      ...before,
      ...{ instance: after.instance, ami: NEWER_IMAGE, attachedTo: [after.instance] },
      addressOf: after.instance,
    });
    expect(after.instance).not.toBe(before.instance);
    expect(await stateOf(before.instance)).toBe('terminated');
    expect(await cloud.bootOf(after.instance)).toContain(before.volume);
    expect(filesIn(await cloud.bootOf(after.instance))['compose.override.yaml']).toContain(
      'lablink:0.2.0-aws',
    );
    // A volume can be attached to one instance only: it leaves the old one before there is a new one.
    const changes = changesOf(cloud.calls());
    expect(changes.slice(0, 2).sort()).toEqual([
      'delete aws:ec2/eipAssociation:EipAssociation',
      'delete aws:ec2/volumeAttachment:VolumeAttachment',
    ]);
    expect(changes.slice(2, 4)).toEqual([
      'delete aws:ec2/instance:Instance',
      'create aws:ec2/instance:Instance',
    ]);
    expect(changes.slice(4).sort()).toEqual([
      'create aws:ec2/eipAssociation:EipAssociation',
      'create aws:ec2/volumeAttachment:VolumeAttachment',
    ]);

    expectAnswer(await run(destroyDeployment, ['--confirm', 'moved', ...name]), 'ok', before.volume);
    expect((await volumes()).map(({ VolumeId, State }) => [VolumeId, State])).toEqual([
      [before.volume, 'available'],
    ]);
    const gone = await run(destroyDeployment, ['--confirm', 'moved', ...name, '--delete-data']);
    expectAnswer(gone, 'ok', 'has been deleted');
  });

  test('a replacement for which AWS has no capacity keeps data volume and address, and is made up for by the next run', async () => {
    const name = ['--name', 'short'];
    const image = (tag: string) => ['--image', `registry.example.org/lablink:${tag}-aws`];
    const again = (...args: string[]) => run(deploy, [...ARGS, '--ami', IMAGE, ...name, ...args]);
    expectAnswer(await again(), 'ok', 'has the address');
    const before = await deployed('short');
    cloud.faults.reject('LabLink-allocator-short', 'InsufficientInstanceCapacity');
    expectAnswer(await again(...image('0.2.0')), 'failed', 'or with another --type');
    expect(await instances()).toEqual([]);
    const [volume] = await volumes();
    expect([volume?.VolumeId, volume?.State]).toEqual([before.volume, 'available']);
    cloud.faults.reset();
    expectAnswer(await again(...image('0.2.0')), 'ok', before.address);
    const after = await deployed('short');
    expect(await instances()).toHaveLength(1);
    expect(after).toEqual({
      ...before,
      ...{ instance: after.instance, attachedTo: [after.instance], addressOf: after.instance },
    });
    const gone = await run(destroyDeployment, ['--confirm', 'short', ...name, '--delete-data']);
    expectAnswer(gone, 'ok', 'has been deleted');
  });

  test('further settings reach the instance, but neither the output nor the state', async () => {
    const passphrase = 'five random words of mine';
    const envFile = join(dataDir, 'settings.env');
    const place = 's3://lab-backups/lab?region=eu-central-1';
    await writeFile(
      envFile,
      `# Backups\nBACKUP_EVERY_HOURS=6\nBACKUP_DIR='${place}'\nBACKUP_PASSPHRASE="${passphrase}"\n`,
    );
    const lines: string[] = [];
    const answer = await run(
      deploy,
      [...ARGS, '--ami', IMAGE, '--name', 'more', '--env-file', envFile],
      lines,
    );
    expectAnswer(answer, 'ok', 'has the address');
    const [instance] = await instances();
    expect(filesIn(await cloud.bootOf(instance?.InstanceId ?? ''))['.env']).toContain(
      `BACKUP_PASSPHRASE='${passphrase}'`,
    );
    const role = { RoleName: 'LabLink-allocator-more', PolicyName: 'allocator' };
    const { PolicyDocument = '' } = await cloud.sharedResources.iam.send(new GetRolePolicyCommand(role));
    expect(decodeURIComponent(PolicyDocument)).toContain('arn:aws:s3:::lab-backups/*');
    expect(lines.join('\n') + answer.text).not.toContain(passphrase);
    const state = join(dataDir, 'deployments/more/state');
    const files = await readdir(state, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      const content = await readFile(join(file.parentPath, file.name), 'utf8');
      for (const coded of [passphrase, Buffer.from(passphrase).toString('base64')])
        expect(content).not.toContain(coded);
    }
    const gone = await run(destroyDeployment, ['--confirm', 'more', '--name', 'more', '--delete-data']);
    expectAnswer(gone, 'ok', 'has been deleted');
  });

  test.each([
    ['a name that is no setting', 'BACKUP_FOLDER=/x', 'BACKUP_FOLDER: There is no such setting'],
    ['a wrong value', 'BACKUP_KEEP=many', 'BACKUP_KEEP: '],
    ['backups without a passphrase', 'BACKUP_EVERY_HOURS=6', 'BACKUP_PASSPHRASE: '],
    ['a line that sets nothing', 'LOG_FORMAT=text\nhunter2', 'Line 2 of --env-file is not NAME=value'],
    ['what the deployment sets', 'PUBLIC_URL=https://other.example.org', 'Leave PUBLIC_URL out'],
  ])('settings with %s are refused before anything is asked of AWS', async (_what, content, message) => {
    const envFile = join(dataDir, 'wrong.env');
    await writeFile(envFile, content);
    expectAnswer(await run(deploy, [...ARGS, '--env-file', envFile]), 'usage', message);
  });

  test.each([
    ['of another region', 'app:\n  region: eu-central-1\n', 'app.region of the config file is eu-central-1'],
    ['that is not valid', 'machine: [', 'config.yaml'],
    ['that is too long for the user data', `# ${randomBytes(15_000).toString('hex')}`, 'EC2 accepts 16,384'],
  ])('a config file %s is refused before anything is asked of AWS', async (_what, content, message) => {
    const config = join(dataDir, 'wrong.yaml');
    await writeFile(config, content);
    expectAnswer(await run(deploy, [...ARGS, '--config', config]), 'usage', message);
  });

  test.each([
    ['no domain', ['--image', 'x'], '--domain must be'],
    ['an address in the place of a domain', ['--domain', '203.0.113.7', '--image', 'x'], '--domain must be'],
    ['no image', ['--domain', 'lab.example.org'], '--image must be'],
    ['an unknown option', [...ARGS, '--colour', 'red'], '--colour'],
    ['a small disk', [...ARGS, '--disk', '5'], '--disk must be'],
    ['a config file that is missing', [...ARGS, '--config', '/nowhere.yaml'], '--config cannot be read'],
    ['a name with capitals', [...ARGS, '--name', 'Lab'], '--name must be'],
  ])('deploying with %s is refused before anything is asked of AWS', async (_what, args, text) => {
    expectAnswer(await run(deploy, args), 'usage', text);
  });

  test('destroying without its name again is refused', async () => {
    const answer = await run(destroyDeployment, ['--confirm', 'other']);
    expectAnswer(answer, 'usage', 'add --confirm lab');
  });
});

/** One that moto has in every region. */
const IMAGE = 'ami-03cf127a';

/** The same. */
const NEWER_IMAGE = 'ami-1e749f67';

/** What the plugin changed, in order. */
function changesOf(calls: ReturnType<TestCloud['calls']>): string[] {
  return calls
    .filter(({ what }) => ['create', 'update', 'delete'].includes(what))
    .map(({ what, type }) => `${what} ${type}`);
}

/** The files that a boot script writes. */
function filesIn(script: string): Record<string, string> {
  const written = [...script.matchAll(/base64 -d >(\S+) <<<(\S+)/g)];
  return Object.fromEntries(
    written.map(([, name = '', coded = '']) => [name, Buffer.from(coded, 'base64').toString('utf8')]),
  );
}
