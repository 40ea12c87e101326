// The Pulumi program of an allocator on AWS, with Pulumi's own mocks, and the script that its instance runs, with stand-ins.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { z } from 'zod';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allocator } from '../../infra/allocator.ts';
import type { AllocatorSpec } from '../../infra/allocator-spec.ts';
import { allocatorUserData } from '../../infra/allocator-user-data.ts';
import { allocatorPolicy, sessionPolicy } from '../../infra/permissions.ts';
import { USER_DATA_LIMIT_BYTES } from '../../infra/user-data.ts';
import { loadConfig } from '../../src/config.ts';
import { runWithMocks } from './run-program.ts';

const run = promisify(execFile);

const spec: AllocatorSpec = {
  provider: 'aws',
  deployment: 'lab',
  account: '123456789012',
  partition: 'aws',
  region: 'us-west-2',
  vpcId: 'vpc-0a1',
  subnetId: 'subnet-0a1',
  amiId: 'ami-0a1',
  instanceType: 't3.medium',
  dataVolumeId: 'vol-0a1b2c',
  domain: 'lab.example.org',
  image: 'registry.example.org/lablink:0.1.0-aws',
  adminPassword: "a password with ' and $HOME",
  configFile: 'machine:\n  machine_type: g4dn.xlarge\n',
  sessions: false,
  settings: { BACKUP_PASSPHRASE: 'five words of "mine" and $HOME', LOG_FORMAT: 'text', DEPLOYMENT: 'other' },
  stateBucket: null,
  backupBucket: 'lab-backups',
  logGroup: null,
};

const overrideSchema = z.object({
  services: z.record(z.string(), z.looseObject({ volumes: z.array(z.string()) })),
});

test('an allocator gets one instance with a fixed address, its data volume, and only the permissions of the policy', async () => {
  const { resources, outputs } = await runWithMocks(allocator(spec));
  expect(outputs).toEqual({ publicIp: '203.0.113.7' });
  expect(resources.map(({ type }) => type).sort()).toEqual([
    'aws:ec2/eip:Eip',
    'aws:ec2/eipAssociation:EipAssociation',
    'aws:ec2/instance:Instance',
    'aws:ec2/securityGroup:SecurityGroup',
    'aws:ec2/volumeAttachment:VolumeAttachment',
    'aws:iam/instanceProfile:InstanceProfile',
    'aws:iam/role:Role',
    'aws:iam/rolePolicy:RolePolicy',
  ]);
  const of = (type: string) => resources.find((resource) => resource.type.endsWith(type));
  expect(of(':Instance')).toMatchObject({ deleteBeforeReplace: true, secrets: ['userDataBase64'] });
  expect(of(':VolumeAttachment')?.inputs).toMatchObject({ volumeId: 'vol-0a1b2c' });
  expect(of(':SecurityGroup')?.inputs).toMatchObject({
    ingress: [
      { fromPort: 80, toPort: 80, protocol: 'tcp' },
      { fromPort: 443, toPort: 443, protocol: 'tcp' },
      { fromPort: 443, toPort: 443, protocol: 'udp' },
    ],
  });
  expect(policiesIn(resources)).toEqual([allocatorPolicy(spec)]);
});

test('only an allocator with sessions may do what its agent of Systems Manager needs', async () => {
  const { resources } = await runWithMocks(allocator({ ...spec, sessions: true }));
  expect(policiesIn(resources)).toEqual([allocatorPolicy(spec), sessionPolicy()]);
});

function policiesIn(resources: Awaited<ReturnType<typeof runWithMocks>>['resources']): unknown[] {
  const policies = resources.filter(({ type }) => type.endsWith(':RolePolicy'));
  return policies.map(({ inputs }): unknown => JSON.parse(String(inputs['policy'])));
}

test('an allocator may write to the bucket of its backups, and to no other', () => {
  const { Statement } = allocatorPolicy(spec);
  const inBuckets = Statement.filter(({ Action }) => Action.some((action) => action.startsWith('s3:')));
  expect(inBuckets.map(({ Resource }) => Resource)).toEqual([
    ['arn:aws:s3:::lab-backups'],
    ['arn:aws:s3:::lab-backups/*'],
  ]);
  expect(JSON.stringify(allocatorPolicy({ ...spec, backupBucket: null }))).not.toContain('s3:');
});

test("the role of an allocator cannot change itself, nor end the allocator's instance", async () => {
  const { resources } = await runWithMocks(allocator({ ...spec, deployment: 'lablink' }));
  const policy = allocatorPolicy({ ...spec, deployment: 'lablink' });
  const roles = policy.Statement.find(({ Sid }) => Sid === 'Roles')?.Resource ?? [];
  const role = resources.find(({ type }) => type === 'aws:iam/role:Role')?.inputs['name'];
  const arn = `arn:aws:iam::123456789012:role/${String(role)}`;
  const isMatch = (pattern: string) => arn.startsWith(pattern.replace(/\*$/, ''));
  expect([roles].flat().some(isMatch)).toBe(false);
  const instance = resources.find(({ type }) => type === 'aws:ec2/instance:Instance');
  expect(Object.keys(z.record(z.string(), z.string()).parse(instance?.inputs['tags']))).not.toContain(
    'lablink:deployment',
  );
});

describe("the script of an allocator's instance", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lablink-allocator-'));
    await Promise.all(['bin', 'disks', 'opt'].map((name) => mkdir(join(folder, name))));
    await writeFile(join(folder, 'fstab'), '');
    // blkid knows a disk once mkfs.ext4 has formatted it.
    await standIn('blkid', `[ -s "$1" ]`);
    await standIn('mkfs.ext4', 'echo ext4 >"${@: -1}"');
    await standIn('mountpoint', 'exit 1');
    for (const name of ['mount', 'systemctl', 'apt-get', 'install', 'docker']) await standIn(name, '');
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function standIn(name: string, body: string): Promise<void> {
    const path = join(folder, 'bin', name);
    await writeFile(path, `#!/bin/bash\necho "${name} $*" >>"${folder}/calls"\n${body}\n`);
    await chmod(path, 0o755);
  }

  async function boot(seconds = 5): Promise<{ readonly calls: string[]; readonly output: string }> {
    const script = gunzipSync(Buffer.from(allocatorUserData(spec, '203.0.113.7'), 'base64'))
      .toString('utf8')
      .replace('MOUNT=/var/lib/lablink', `MOUNT=${folder}/data`)
      .replace('FILES=/opt/lablink', `FILES=${folder}/opt`);
    const env = {
      PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`,
      LABLINK_DISKS: `${folder}/disks`,
      LABLINK_FSTAB: `${folder}/fstab`,
      LABLINK_UNITS: `${folder}/units`,
      LABLINK_WAIT_SECONDS: String(seconds),
      LABLINK_RETRY_SECONDS: '0',
    };
    const { stdout } = await run('bash', ['-c', script], { env }).catch(
      (error: unknown) => Object(error) as { stdout: string },
    );
    const calls = await readFile(join(folder, 'calls'), 'utf8').catch(() => '');
    return { calls: calls.trim().split('\n'), output: stdout };
  }

  const disk = () => join(folder, 'disks', 'nvme-Amazon_Elastic_Block_Store_vol0a1b2c');

  test('a new volume is formatted and mounted, and the containers are started with their settings', async () => {
    await writeFile(disk(), '');
    const { calls, output } = await boot();
    expect(output).toContain('The allocator has been started');
    expect(calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual([
      `blkid ${disk()}`,
      'mkfs.ext4 -q',
      'systemctl daemon-reload',
      'mountpoint -q',
      `mount ${folder}/data`,
      'apt-get update',
      'apt-get install',
      'install --directory',
      'docker compose',
      'docker compose',
    ]);
    expect(await readFile(join(folder, 'fstab'), 'utf8')).toContain(`LABEL=lablink ${folder}/data ext4`);
    expect(await readFile(join(folder, 'opt', '.env'), 'utf8')).toMatch(
      /^LABLINK_DOMAIN='lab\.example\.org'\n/m,
    );
    expect((await stat(join(folder, 'opt', '.env'))).mode & 0o777).toBe(0o600);
    const { services } = overrideSchema.parse(
      JSON.parse(await readFile(join(folder, 'opt', 'compose.override.yaml'), 'utf8')),
    );
    expect(services['allocator']).toEqual({
      image: spec.image,
      volumes: ['/var/lib/lablink/data:/var/lib/lablink'],
    });
    // An override that names a service or a folder that compose.yaml does not have would add one.
    const compose = await readFile(new URL('../../deploy/compose.yaml', import.meta.url), 'utf8');
    const base = overrideSchema.parse(parse(compose));
    expect(Object.keys(services)).toEqual(Object.keys(base.services));
    expect(base.services['caddy']?.volumes).toContain('caddy:/data');
    expect(base.services['allocator']?.volumes).toContain('data:/var/lib/lablink');
  });

  test('the allocator reads its settings and its config file', async () => {
    await writeFile(disk(), '');
    await boot();
    const { config } = await loadedConfig();
    expect(config.machine.type).toBe('g4dn.xlarge');
    expect(config.admin.password).toBe(spec.adminPassword);
    expect(config.aws.allocatorPublicIp).toBe('203.0.113.7');
    expect(config.deployment.name).toBe('lab');
    expect(config).toMatchObject({
      backup: { passphrase: spec.settings['BACKUP_PASSPHRASE'] },
      logFormat: 'text',
    });
  });

  test('Docker, which starts the containers after a reboot, waits for the data volume', async () => {
    await writeFile(disk(), '');
    await boot();
    const dropIn = await readFile(join(folder, 'units/docker.service.d/lablink.conf'), 'utf8');
    expect(dropIn).toBe(`[Unit]\nRequiresMountsFor=${folder}/data\n`);
  });

  /** As the program in the container reads what the script has written. */
  async function loadedConfig() {
    const settings = await readFile(join(folder, 'opt', '.env'), 'utf8');
    const { stdout } = await run('bash', ['-c', `set -a; ${settings}\nenv`], { env: {} });
    const lines = [...stdout.matchAll(/^(\w+)=(.*)$/gm)];
    const env = Object.fromEntries(lines.map(([, name = '', value = '']) => [name, value]));
    const { services } = overrideSchema.parse(
      parse(await readFile(join(folder, 'opt', 'compose.yaml'), 'utf8')),
    );
    const mounts = (services['allocator']?.volumes ?? []).map((mount) => mount.split(':'));
    const readFileOf = (path: string) => {
      const [from] = mounts.find(([, to]) => to === dirname(path)) ?? [];
      return from === undefined ? undefined : readFileSync(join(folder, 'opt', from, basename(path)), 'utf8');
    };
    const loaded = loadConfig({ env, readFile: readFileOf, cwd: '/var/lib/lablink' });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.failure));
    return loaded.value;
  }

  test('a volume that has been used is never formatted', async () => {
    await writeFile(disk(), 'the data of last week');
    const { calls } = await boot();
    expect(calls.filter((call) => call.startsWith('mkfs'))).toEqual([]);
    expect(await readFile(disk(), 'utf8')).toBe('the data of last week');
  });

  test('a volume that is never attached ends the script before anything is installed', async () => {
    const { calls, output } = await boot(1);
    expect(output).toContain('ERROR: the data volume vol-0a1b2c was not attached');
    expect(calls).toEqual(['']);
  });

  test('the user data stays under the limit of EC2', () => {
    const bytes = Buffer.from(allocatorUserData(spec, '203.0.113.7'), 'base64').length;
    expect(bytes).toBeLessThan(USER_DATA_LIMIT_BYTES);
  });
});
