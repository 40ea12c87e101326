// Lock files and states that were cut short, as a full disk or a loss of power leaves them: a destroy always works, and a
// launch repairs what it can or says what to do.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AwsLab } from '../support/aws-lab.ts';
import type { TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createSharedLab } from '../support/shared-aws-lab.ts';

describe.skipIf(!motoIsThere())('a state or a lock that was cut short', { timeout: 400_000 }, () => {
  const shared = createSharedLab();
  let cloud: TestCloud;
  let lab: AwsLab;
  beforeEach(async () => {
    ({ cloud, lab } = await shared.take());
  }, 120_000);
  afterAll(() => shared[Symbol.asyncDispose]());
  afterEach(async () => {
    expect(await cloud.machines()).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
  });

  const stateFile = () => join(lab.server.dataDir, 'aws/state/.pulumi/stacks/lablink-lab/test.json');
  const locks = () => join(lab.server.dataDir, 'aws/state/.pulumi/locks/organization/lablink-lab/test');
  const outputOf = async (id: string) => (await lab.output(id)).join('\n');
  const unreadable = async () =>
    (await readdir(dirname(stateFile()))).filter((name) => name.includes('.unreadable-'));
  const ids = async () => (await cloud.machines()).map(({ instanceId }) => instanceId).sort();

  async function succeeds(begin: () => ReturnType<AwsLab['launch']>): Promise<string> {
    const operation = await begin();
    const output = await outputOf(operation.id);
    expect(operation, output).toMatchObject({ status: 'succeeded' });
    return output;
  }

  test('lock files that are empty or cut short, whatever their names, are removed before a launch and a destroy', async () => {
    await succeeds(() => lab.launch(1));
    const leave = async () => {
      await mkdir(locks(), { recursive: true });
      for (const name of ['x.json', 'y.json.123.tmp']) await writeFile(join(locks(), name), '');
      await writeFile(join(locks(), 'z.json'), '{"pid":17,"user');
    };
    await leave();
    expect(await succeeds(() => lab.launch(1))).toMatch(/The lock x\.json .* cut short\. It was removed\./);
    expect(await lab.agree()).toHaveLength(2);
    await leave();
    expect(await succeeds(() => lab.destroy())).toContain('y.json.123.tmp');
    expect(await readdir(locks())).toEqual([]);
  });

  test('a launch restores the previous version of a state that was cut short, if it has all machines', async () => {
    await succeeds(() => lab.launch(1));
    const before = await ids();
    const text = await readFile(stateFile(), 'utf8');
    const keptBefore = await unreadable();
    await writeFile(stateFile(), text.slice(0, text.length / 2));
    const output = await succeeds(() => lab.launch(1));
    expect(output).toMatch(/could not be read: it was cut short\. Its previous version/);
    expect(await lab.agree()).toHaveLength(2);
    expect(await ids()).toEqual(expect.arrayContaining(before));
    // Pulumi's plugin gives up on a zone without capacity within minutes.
    expect(await readFile(stateFile(), 'utf8')).toContain('"maxRetries": "5"');
    expect(await unreadable()).toHaveLength(keptBefore.length + 1);
    await succeeds(() => lab.destroy());
  });

  test('with a state that was cut short and no previous version, a launch says what to do, and a destroy ends everything by tag', async () => {
    await succeeds(() => lab.launch(1));
    for (const file of [stateFile(), `${stateFile()}.bak`])
      await writeFile(file, '{"version":3,"checkpoint":{"stack');
    const before = await ids();
    const launched = await lab.launch(1);
    expect(launched).toMatchObject({ status: 'failed', problem: { kind: 'engine' } });
    expect(launched.problem?.problem).toMatch(
      /test\.json cannot be read: it was cut short, .*test\.json\.bak/,
    );
    expect(launched.problem?.remedy).toContain('Destroy all machines, which works without the state');
    expect(await ids()).toEqual(before);
    expect(await succeeds(() => lab.destroy())).toContain('test.json.bak');
    expect(await lab.rows()).toEqual([]);
    await succeeds(() => lab.launch(1));
    expect(await lab.agree()).toHaveLength(1);
    await succeeds(() => lab.destroy());
  });

  test('a previous version that lacks a running machine is not restored, and one machine can be destroyed', async () => {
    await succeeds(() => lab.launch(1));
    const old = await readFile(stateFile(), 'utf8');
    await succeeds(() => lab.launch(1));
    await writeFile(`${stateFile()}.bak`, old);
    await writeFile(stateFile(), '');
    const launched = await lab.launch(1);
    expect(launched.problem?.problem).toContain('lacks 1 machine that runs: lab-vm-test-2');
    expect(await ids()).toHaveLength(2);
    const { data, response } = await lab.server.admin.POST('/api/v1/vms/{hostname}/destroy', {
      params: { path: { hostname: 'lab-vm-test-1' } },
    });
    expect(response.status).toBe(202);
    await succeeds(() => lab.ended((data as { id: string }).id));
    expect(await lab.machines()).toEqual(['lab-vm-test-2']);
    await succeeds(() => lab.destroy());
  });

  test('a destroy without any state ends machines and shared resources by their tags', async () => {
    await succeeds(() => lab.launch(1));
    await rm(join(lab.server.dataDir, 'aws/state'), { recursive: true });
    await succeeds(() => lab.destroy());
    expect(await lab.rows()).toEqual([]);
  });
});
