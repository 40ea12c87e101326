// Problems of the server: no CLI, no plugin, a wrong passphrase, a full disk. They are reported with a remedy before
// anything is created, and after the remedy everything works.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startAwsLab, type AwsLab, type Operation } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createFaultTable } from '../support/fault-table.ts';
import { ADMIN } from '../support/server.ts';
import { mountSmallDisk, smallDisksAreThere, type SmallDisk } from '../support/small-disk.ts';

const isThere = motoIsThere();
const disksAreThere = smallDisksAreThere();

describe.skipIf(!isThere)('a server that is not set up', { timeout: 300_000 }, () => {
  const table = createFaultTable('missing-tools');
  let cloud: TestCloud;

  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  afterAll(async () => {
    await table.print();
    await cloud[Symbol.asyncDispose]();
  });
  beforeEach(() => cloud.faults.reset());
  afterEach(async () => expect(await cloud.machines()).toEqual([]));

  async function expectConsistent(
    lab: AwsLab,
    fault: string,
    operation: Operation,
    asked: number,
  ): Promise<void> {
    const machines = (await lab.agree()).length;
    const next = await lab.launch(1);
    expect(next, (await lab.output(next.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toHaveLength(machines + 1);
    const destroyed = await lab.destroy();
    expect(destroyed, (await lab.output(destroyed.id)).join('\n')).toMatchObject({ status: 'succeeded' });
    expect(await lab.agree()).toEqual([]);
    const outcome = [operation.status, operation.problem?.kind].filter(Boolean).join(', ');
    table.add({ fault, outcome, asked, machines });
  }

  async function launchPage(lab: AwsLab): Promise<string> {
    const authorization = `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`;
    return (await fetch(`${lab.server.url}/admin/create`, { headers: { authorization } })).text();
  }

  test('without the CLI, the launch page shows how to install it, and a destroy succeeds', async () => {
    await using lab = await startAwsLab(cloud, { env: { PULUMI_CLI_DIR: '/nonexistent' } });
    expect(await launchPage(lab)).toMatch(/Pulumi CLI 3\.260\.0.*is not installed[\s\S]*make setup-aws/);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/is not installed/);
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
    table.add({ fault: 'the CLI missing', outcome: 'not started', asked: 1, machines: 0 });
  });

  test('without the plugin, the launch page shows how to install it', async () => {
    await using lab = await startAwsLab(cloud, { processEnv: cloud.envWithoutPlugin });
    expect(await launchPage(lab)).toMatch(
      /pulumi-resource-aws 7\.48\.0.*is not installed[\s\S]*make setup-aws/,
    );
    await expect(lab.beginLaunch(1)).rejects.toThrow(/is not installed/);
    table.add({ fault: 'the plugin missing', outcome: 'not started', asked: 1, machines: 0 });
  });

  test('without its configuration, the launch page lists the missing keys, and the server works', async () => {
    await using lab = await startAwsLab(cloud, { parts: { configFile: '{}' } });
    expect(await launchPage(lab)).toContain(
      'app.region, machine.machine_type, machine.ami_id, machine.image',
    );
    expect(await lab.destroy()).toMatchObject({ status: 'succeeded' });
  });

  test('a wrong passphrase fails a launch before it starts, and the right one works again', async () => {
    await using lab = await startAwsLab(cloud);
    await lab.launch(1);
    const file = join(lab.server.dataDir, 'pulumi-passphrase');
    const right = await readFile(file, 'utf8');
    await writeFile(file, `${'wrong'.repeat(10)}\n`);
    await lab.server.restart();
    const failed = await lab.launch(1);
    expect(failed).toMatchObject({ status: 'failed', problem: { kind: 'credentials' } });
    expect(failed.problem?.problem).toContain('passphrase');
    await writeFile(file, right);
    await lab.server.restart();
    await expectConsistent(lab, 'a wrong passphrase', failed, 1);
  });

  describe.skipIf(!disksAreThere)('the disk of the state', () => {
    async function testDisk(
      fault: string,
      spoil: (disk: SmallDisk) => Promise<void>,
      words: RegExp,
    ): Promise<void> {
      await using lab = await startAwsLab(cloud);
      await using disk = await mountSmallDisk(join(lab.server.dataDir, 'aws/state'));
      await lab.launch(1);
      await spoil(disk);
      const failed = await lab.launch(1);
      expect(failed, (await lab.output(failed.id)).join('\n')).toMatchObject({ status: 'failed' });
      expect(failed.problem?.problem).toMatch(words);
      disk.allowWrites(true);
      await disk.empty();
      await expectConsistent(lab, fault, failed, 1);
    }

    test('a launch on a full disk fails with a remedy and creates nothing', () =>
      testDisk('a full disk', (disk) => disk.fill(), /disk of this server is full/));
    test('a launch on a read-only disk fails with a remedy and creates nothing', () =>
      testDisk(
        'the state folder read-only',
        (disk) => {
          disk.allowWrites(false);
          return Promise.resolve();
        },
        /cannot be written/,
      ));
  });
});
