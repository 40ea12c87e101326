// A lost state, a lost database, two allocators with one name, and another region: no machine of anybody else is touched, none
// of ours is forgotten, and everything can still be destroyed.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { configText } from '../support/aws-config.ts';
import { startAwsLab, type AwsLab, type Operation } from '../support/aws-lab.ts';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';

describe.skipIf(!motoIsThere())('what was lost or moved', { timeout: 300_000 }, () => {
  let cloud: TestCloud;
  beforeAll(async () => {
    cloud = await startCloud();
  }, 120_000);
  beforeEach(() => cloud.reset());
  afterAll(() => cloud[Symbol.asyncDispose]());

  const ids = async () =>
    (await cloud.machines())
      .filter(({ state }) => state === 'running')
      .map(({ instanceId }) => instanceId)
      .sort();
  const orphans = async (lab: AwsLab) => {
    const query = { params: { query: { refresh: true } } } as const;
    return (await lab.server.admin.GET('/api/v1/orphans', query)).data?.items ?? [];
  };
  const output = async (lab: AwsLab, { id }: Operation) => (await lab.output(id)).join('\n');

  async function succeeds(lab: AwsLab, operation: Operation): Promise<string> {
    const text = await output(lab, operation);
    expect(operation, text).toMatchObject({ status: 'succeeded' });
    return text;
  }

  async function isEmpty(): Promise<void> {
    expect(await ids()).toEqual([]);
    expect(await cloud.sharedResources.list()).toEqual([]);
  }

  test('two allocators with the same names launch side by side, and each destroys its own machines only', async () => {
    await using one = await startAwsLab(cloud);
    await succeeds(one, await one.launch(1));
    const [first] = await ids();
    await using other = await startAwsLab(cloud);
    await succeeds(other, await other.launch(1));
    expect(await ids()).toHaveLength(2);
    expect(await orphans(other)).toMatchObject([
      { id: first, kind: 'foreign', adoptable: true, terminable: false },
    ]);
    const proof = await succeeds(other, await other.destroy());
    expect(proof).toContain(`of another allocator or of one that was lost, keep running: ${String(first)}.`);
    expect(await ids()).toEqual([first]);
    expect(await one.agree()).toHaveLength(1);
    await succeeds(one, await one.destroy());
    await isEmpty();
  });

  test('the machine of a lost data folder is shown, and is destroyed after an admin has added it to the list', async () => {
    {
      await using lost = await startAwsLab(cloud);
      await succeeds(lost, await lost.launch(1));
    }
    const [machine = ''] = await ids();
    await using lab = await startAwsLab(cloud);
    await succeeds(lab, await lab.launch(1));
    expect(await orphans(lab)).toMatchObject([{ id: machine, kind: 'foreign' }]);
    await lab.server.admin.POST('/api/v1/orphans/{id}/adopt', { params: { path: { id: machine } } });
    expect(await orphans(lab)).toEqual([]);
    await succeeds(lab, await lab.destroy());
    expect(await ids()).toEqual([]);
  });

  test('a new database takes over the state that it finds, and ends no machine that it does not know', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lablink-state-'));
    const env = {
      PULUMI_BACKEND_URL: pathToFileURL(folder).href,
      PULUMI_CONFIG_PASSPHRASE: 'the shared one',
    };
    await using lab = await startAwsLab(cloud, { env });
    await succeeds(lab, await lab.launch(2));
    const before = await ids();
    const groups = await cloud.sharedResources.list();
    // The database is lost, and the uid in the data folder too; the engine's double cannot replace the SSH key.
    await sql`truncate vms, operations, deployment_identity, vm_hours cascade`.execute(lab.server.db);
    await rm(join(lab.server.dataDir, 'deployment-uid'));
    await lab.server.restart();
    expect(await orphans(lab)).toMatchObject(before.map(() => ({ kind: 'vm', adoptable: true })));
    const launched = await succeeds(lab, await lab.launch(1));
    expect(launched).not.toContain('no longer exist');
    expect(await ids()).toEqual(expect.arrayContaining(before));
    const kept = (await cloud.sharedResources.list()).filter((line) => !line.startsWith('key pair'));
    expect(kept).toEqual(groups.filter((line) => !line.startsWith('key pair')));
    const destroyed = await lab.destroy();
    expect(destroyed).toMatchObject({ status: 'failed', problem: { kind: 'left_over' } });
    expect(await ids()).toEqual(before);
    for (const id of before)
      await lab.server.admin.POST('/api/v1/orphans/{id}/adopt', { params: { path: { id } } });
    await succeeds(lab, await lab.destroy());
    expect(await ids()).toEqual([]);
    await rm(folder, { recursive: true });
  });

  test('while machines run in one region, another one is refused, and they are still listed and destroyed', async () => {
    await using lab = await startAwsLab(cloud);
    await succeeds(lab, await lab.launch(1));
    const elsewhere = configText(cloud).replace(`"region":"${cloud.region}"`, '"region":"eu-west-1"');
    await lab.server.restart({ configFile: elsewhere });
    expect(await lab.rows()).toHaveLength(1);
    expect(await orphans(lab)).toEqual([]);
    await expect(lab.beginLaunch(1)).rejects.toThrow(/names the region eu-west-1, but machines/);
    await succeeds(lab, await lab.destroy());
    await isEmpty();
  });

  test('with a lost state, a launch is refused without advice that harms living machines, and a destroy ends everything', async () => {
    await using lab = await startAwsLab(cloud);
    await succeeds(lab, await lab.launch(1));
    const before = await ids();
    await rm(join(lab.server.dataDir, 'aws/state/.pulumi'), { recursive: true });
    const launch = await lab.launch(1);
    expect(launch, await output(lab, launch)).toMatchObject({
      status: 'failed',
      problem: { kind: 'engine' },
    });
    expect(launch.problem?.problem).toContain(
      'The Pulumi state is empty, but machines of this deployment run',
    );
    expect(launch.problem?.remedy).not.toMatch(/delete/i);
    expect(await ids()).toEqual(before);
    await succeeds(lab, await lab.destroy());
    await isEmpty();
  });
});
