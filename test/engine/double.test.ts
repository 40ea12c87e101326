// What the recordings do not show and the driver has to live with: caps and order, secrets, dependencies, interruptions of
// the other kinds. On the real engine these hold as well, but for what is said to be the double's.
import { DescribeInstanceAttributeCommand } from '@aws-sdk/client-ec2';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRandom, createScheduler } from '../doubles/engine/scheduler.ts';
import { TEST_CREDENTIALS } from '../support/aws-requests.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { testEngine } from '../support/engine.ts';
import { createLab, type Event, type Lab } from './drive.ts';
import { isDebug } from './order.ts';

const CASE_MS = 120_000;
const many = (count: number) => Array.from({ length: count }, (_, at) => `m-${at + 1}`);

const begins = (event: Event) => {
  const { metadata } = (event['resourcePreEvent'] ?? {}) as { metadata?: { op: string; type: string } };
  return metadata?.op === 'create' && metadata.type === 'aws:ec2/instance:Instance';
};
const opOf = (event: Event) =>
  (event['resOutputsEvent'] as { metadata: { op: string; urn: string } } | undefined)?.metadata;

describe.skipIf(!motoIsThere())('the engine double on an emulator of AWS', () => {
  let cloud: TestCloud;
  let lab: Lab;
  beforeAll(async () => {
    cloud = await startCloud();
  });
  afterAll(() => cloud[Symbol.asyncDispose]());
  beforeEach(async () => {
    lab = await createLab(cloud, { isRecorded: false });
  });
  afterEach(async () => {
    cloud.faults.reset();
    for (const { instanceId } of await cloud.machines()) await cloud.terminate(instanceId);
    await lab[Symbol.asyncDispose]();
  });

  const names = async () => (await cloud.machines()).map(({ name }) => name);
  const machinesInState = (of = lab) =>
    of.stateFile().resources.flatMap(({ urn }) => (urn.includes(':Instance::') ? [urn.split('::')[3]] : []));

  test('the engine runs at most eight creates at once', { timeout: CASE_MS }, async () => {
    cloud.faults.slow(200);
    await lab.run('up', many(12));
    let [underWay, most] = [0, 0];
    for (const { what } of cloud.calls()) {
      if (what === 'create') underWay += 1;
      if (what === 'created') underWay -= 1;
      most = Math.max(most, underWay);
    }
    expect(most).toBe(8);
    expect(await names()).toEqual(many(12));
  });

  test(
    'after a rejected machine, the engine starts nothing new and keeps what it has started',
    { timeout: CASE_MS },
    async () => {
      cloud.faults.slow(500);
      cloud.faults.rejectNth(1, 'InsufficientInstanceCapacity');
      const { failed } = await lab.run('up', many(12));
      expect(failed?.message).toContain('InsufficientInstanceCapacity: We currently do not have sufficient');
      // How many are under way when the rejection arrives is chance on the real engine.
      const started = cloud.calls().filter(({ what }) => what === 'create').length;
      expect(started).toBeLessThanOrEqual(8);
      expect(await cloud.machines()).toHaveLength(started - 1);
      expect(machinesInState().sort()).toEqual((await names()).sort());
    },
  );

  test(
    'a second interrupt ends the engine at once, with a pending operation and no lock',
    { timeout: CASE_MS },
    async () => {
      await using lab = await createLab(cloud);
      cloud.faults.hold();
      const run = await lab.drive('up', ['m-1']);
      await run.sees('m-1 is being made', begins);
      await expect.poll(names, { timeout: CASE_MS }).toEqual(['m-1']);
      run.abort();
      await run.sees('that it heard the signal', (event) => 'stdoutEvent' in event);
      process.kill(run.enginePid(), 'SIGINT');
      const { failed, cli } = await run.ended;
      expect(failed).toMatchObject({ name: 'CommandError' });
      expect(cli.at(-1)?.rc).toBe(8);
      expect(lab.stateFile().pending_operations).toMatchObject([{ type: 'creating' }]);
      expect(await lab.locks()).toEqual([]);
      // It stays until somebody says that it is to be cleared.
      await lab.run('refresh', []);
      expect(lab.stateFile().pending_operations).toHaveLength(1);
      await lab.run('refresh', [], { clearPendingCreates: true });
      expect(lab.stateFile().pending_operations).toEqual([]);
    },
  );

  test(
    'an engine whose driver is killed finishes its work, saves the state and unlocks it',
    { timeout: CASE_MS },
    async () => {
      cloud.faults.hold();
      const run = await lab.drive('up', ['m-1']);
      await run.sees('m-1 is being made', begins);
      run.child.kill('SIGKILL');
      cloud.faults.release();
      await expect.poll(() => lab.locks(), { timeout: CASE_MS }).toEqual([]);
      expect(machinesInState()).toEqual(['m-1']);
      expect(lab.stateFile().pending_operations).toEqual([]);
    },
  );

  test('the plugin of a killed engine finishes its work and ends', { timeout: CASE_MS }, async () => {
    await using lab = await createLab(cloud);
    cloud.faults.hold();
    const run = await lab.drive('up', ['m-1']);
    await run.sees('m-1 is being made', begins);
    await expect.poll(() => cloud.calls().map(({ what }) => what), { timeout: CASE_MS }).toEqual(['create']);
    const plugin = cloud.calls()[0]!.pid;
    process.kill(run.enginePid(), 'SIGKILL');
    await run.ended;
    expect(isAlive(plugin)).toBe(true);
    cloud.faults.release();
    await expect.poll(() => isAlive(plugin), { timeout: CASE_MS }).toBe(false);
    expect(cloud.calls().map(({ what }) => what)).toEqual(['create', 'created']);
    expect(machinesInState(lab)).toEqual([]);
  });

  test(
    'a plugin that dies during a create leaves a machine outside the state',
    { timeout: CASE_MS },
    async () => {
      cloud.faults.dieCreating('m-1');
      const { failed } = await lab.run('up', ['m-1']);
      expect(failed?.message).toContain('error reading from server: EOF');
      expect(await names()).toEqual(['m-1']);
      expect(machinesInState()).toEqual([]);
      expect(await lab.locks()).toEqual([]);
    },
  );

  test(
    'a second run at the same time is rejected, and the first one continues',
    { timeout: CASE_MS },
    async () => {
      cloud.faults.hold();
      const first = await lab.drive('up', ['m-1']);
      await first.sees('m-1 is being made', begins);
      const second = await lab.run('up', ['m-1', 'm-2']);
      expect(second.failed).toMatchObject({ name: 'ConcurrentUpdateError' });
      cloud.faults.release();
      expect((await first.ended).done).not.toBeNull();
      expect(await names()).toEqual(['m-1']);
    },
  );

  test(
    'changed inputs of existing machines are ignored only with ignoreChanges',
    { timeout: CASE_MS },
    async () => {
      const machine = { name: 'm-1', tags: { purpose: 'first', 'lablink:launch': '1' } };
      await lab.run('up', { machines: [machine] });
      const [before] = await cloud.machines();

      const changed = { name: 'm-1', tags: { purpose: 'second', 'lablink:launch': '2' } };
      const all = await lab.run('up', { machines: [{ ...changed, ignoreChanges: ['*'] }] });
      expect(all.done?.summary?.['resourceChanges']).toEqual({ same: 2 });
      expect(await cloud.machines()).toEqual([before]);

      const some = await lab.run('up', {
        machines: [{ ...changed, ignoreChanges: ['tags["lablink:launch"]'] }],
      });
      expect(some.done?.summary?.['resourceChanges']).toEqual({ same: 1, update: 1 });
      const [after] = await cloud.machines();
      expect(after?.tags).toEqual({ Name: 'm-1', purpose: 'second', 'lablink:launch': '1' });
      expect(after?.instanceId).toBe(before?.instanceId);
    },
  );

  test(
    'secrets are encrypted in the state, hidden in events, marked in outputs, and passed to the machine',
    { timeout: CASE_MS },
    async () => {
      const userData = '#!/bin/sh\necho opensesame';
      const program = { machines: [{ name: 'm-1', userData }], secrets: { word: 'abracadabra' } };
      const run = await lab.run('up', program);
      const state = await readFile(join(lab.state, '.pulumi/stacks/lablink/dev.json'), 'utf8');
      // The debug events of the SDK contain secrets in plain text, so they must not be stored.
      const events = JSON.stringify(run.events.filter((event) => !isDebug(event)));
      for (const [where, text] of [['state', state] as const, ['events', events] as const])
        for (const word of ['opensesame', 'abracadabra']) expect(text, where).not.toContain(word);
      expect(run.done?.outputs?.['word']).toEqual({ value: 'abracadabra', secret: true });
      const [machine] = await cloud.machines();
      const command = new DescribeInstanceAttributeCommand({
        InstanceId: machine!.instanceId,
        Attribute: 'userData',
      });
      const { UserData } = await cloud.ec2.send(command);
      expect(Buffer.from(UserData!.Value!, 'base64').toString()).toBe(userData);
      const { done } = await lab.run('export', []);
      expect(JSON.stringify(done?.exported)).toContain('opensesame');
    },
  );

  test(
    'a wrong passphrase encrypts a state without secrets again, and then the right one fails',
    { timeout: CASE_MS },
    async () => {
      const wrong = { env: { PULUMI_CONFIG_PASSPHRASE: 'y' } };
      await lab.run('up', { machines: [] });
      expect((await lab.run('up', { machines: [], secrets: { word: 'a' } }, wrong)).failed).toBeNull();
      const { failed } = await lab.run('up', { machines: [], secrets: { word: 'a' } });
      expect(failed?.message).toContain('incorrect passphrase');
    },
  );

  test('resources that others need are created first and deleted last', { timeout: CASE_MS }, async () => {
    const program = { machines: [{ name: 'm-1' }, { name: 'm-2' }], group: 'door' };
    await lab.run('up', program);
    const [first, second] = await cloud.machines();
    expect(first?.securityGroupIds).toEqual(second?.securityGroupIds);
    expect(first?.securityGroupIds).toHaveLength(1);
    await lab.run('destroy', program);
    const asked = (what: string) =>
      cloud.calls().flatMap((entry) => (entry.what === what ? [entry.name] : []));
    expect(asked('create')[0]).toBe('door');
    expect(asked('delete').at(-1)).toBe('door');
    expect(await cloud.machines()).toEqual([]);
  });

  test('a state in a bucket has the same layout and lock as in a folder', { timeout: CASE_MS }, async () => {
    const endpoint = { endpoint: cloud.endpoint, region: cloud.region, forcePathStyle: true };
    const s3 = new S3Client({
      ...endpoint,
      credentials: TEST_CREDENTIALS,
    });
    await s3.send(new CreateBucketCommand({ Bucket: 'state' }));
    const bucket = {
      backendUrl: `s3://state/lab?region=us-east-1&endpoint=${cloud.endpoint}&s3ForcePathStyle=true`,
    };
    const keys = async () => {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'state' }));
      return Contents.map(({ Key = '' }) => Key.replace(/dev[-.]\d+|[0-9a-f-]{36}/, '*'));
    };
    cloud.faults.hold();
    const first = await lab.drive('up', ['m-1'], bucket);
    await first.sees('m-1 is being made', begins);
    expect(await keys()).toContain('lab/.pulumi/locks/organization/lablink/dev/*.json');
    expect((await lab.run('up', ['m-1'], bucket)).failed).toMatchObject({ name: 'ConcurrentUpdateError' });
    cloud.faults.release();
    expect((await first.ended).done?.summary).toMatchObject({ resourceChanges: { create: 2 } });
    expect(await keys()).toEqual([
      'lab/.pulumi/backups/lablink/dev/*.json',
      'lab/.pulumi/history/lablink/dev/*.checkpoint.json',
      'lab/.pulumi/history/lablink/dev/*.history.json',
      'lab/.pulumi/meta.yaml',
      'lab/.pulumi/stacks/lablink/dev.json',
      'lab/.pulumi/stacks/lablink/dev.json.bak',
    ]);
    s3.destroy();
  });

  test(
    'a refresh removes machines that were terminated without the engine',
    { timeout: CASE_MS },
    async () => {
      await lab.run('up', ['m-1', 'm-2']);
      const [gone] = await cloud.machines();
      await cloud.terminate(gone!.instanceId);
      const { events } = await lab.run('refresh', []);
      expect(
        events
          .map(opOf)
          .filter((step) => step?.op === 'delete')
          .map((step) => step?.urn.split('::')[3]),
      ).toEqual(['m-1']);
      expect(machinesInState()).toEqual(['m-2']);
    },
  );
});

describe('the engine double without AWS', () => {
  const pulumi = (...args: string[]) => {
    const { status, stderr } = spawnSync(join(testEngine().pulumiRoot, 'bin', 'pulumi'), args, {
      env: { ...process.env, PULUMI_BACKEND_URL: 'file:///nowhere', PULUMI_CONFIG_PASSPHRASE: 'x' },
    });
    return { status, stderr: stderr.toString() };
  };

  test.skipIf(testEngine().kind === 'real').each([
    ['preview', '--stack', 'organization/lablink/dev'],
    ['up', '--yes', '--skip-preview', '--target', 'x', '--stack', 'organization/lablink/dev'],
    ['up', '--yes', '--stack', 'organization/lablink/dev'],
    ['stack', 'rm', '--stack', 'organization/lablink/dev'],
    ['stack', 'select', '--stack', 'dev'],
  ])('the engine double rejects the unsupported command %s %s %s', (...args) => {
    expect(pulumi(...args)).toMatchObject({
      status: 97,
      stderr: expect.stringContaining('DOES NOT DO THIS') as string,
    });
  });

  test('the engine double starts resources in the order of its seed', async () => {
    const orderOf = async (seed: number) => {
      const order: number[] = [];
      const scheduler = createScheduler(createRandom(seed), 2);
      for (const at of many(9).keys()) scheduler.add(() => Promise.resolve(void order.push(at)));
      await scheduler.idle();
      return order;
    };
    expect(await orderOf(1)).toEqual(await orderOf(1));
    expect(await orderOf(1)).not.toEqual(await orderOf(2));
    expect((await orderOf(1)).toSorted()).toEqual([...many(9).keys()]);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
