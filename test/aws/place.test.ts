// Whose a state is and where its machines are, with scripted answers of AWS: the emulator has one account.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AwsContext } from '../../src/provision/aws/context.ts';
import { checkOwner, recordPlaceOfLaunch, regionOfMachines } from '../../src/provision/aws/place.ts';
import { ownerStore, type OwnerStore } from '../../src/provision/aws/state-owner.ts';

type Place = Awaited<ReturnType<AwsContext['place']['read']>>;

/** An allocator whose credentials are of account 1, with these machines in each region. */
function contextWith(last: Place, machines: Readonly<Record<string, number>> = {}) {
  const recorded: unknown[] = [];
  const cloud = (region: string) => ({
    caller: () => Promise.resolve({ account: '1', arn: 'arn' }),
    listMachines: () =>
      Promise.resolve(
        Array.from({ length: machines[region] ?? 0 }, () => ({ state: 'running', hostname: 'a' })),
      ),
  });
  const place = {
    read: () => Promise.resolve(last),
    record: (where: unknown) => Promise.resolve(void recorded.push(where)),
  };
  return { recorded, context: { place, cloud, uid: 'ours' } as unknown as AwsContext };
}

async function storeIn(): Promise<{ store: OwnerStore; folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-owner-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const stackFile = join(folder, '.pulumi/stacks/lablink-lab/test.json');
  return { folder, store: ownerStore(`file://${folder}`, stackFile, '/none', 'lablink-owner.lab') };
}

test('machines stay where the last launch was while any exist there, and only then', async () => {
  const there = { region: 'us-east-1', account: '1' };
  const region = (
    last: Place,
    machines?: Record<string, number>,
    configured: string | undefined = 'eu-west-1',
  ) => regionOfMachines(contextWith(last, machines).context, configured);
  expect(await region(null)).toBe('eu-west-1');
  expect(await region({ ...there, hasVms: true })).toBe('us-east-1');
  expect(await region({ ...there, hasVms: false }, { 'us-east-1': 1 })).toBe('us-east-1');
  expect(await region({ ...there, hasVms: false })).toBe('eu-west-1');
  expect(await region({ ...there, hasVms: true }, {}, 'us-east-1')).toBe('us-east-1');
});

test('credentials of another account list nothing while machines have rows, and are fine afterwards', async () => {
  const elsewhere = { region: 'us-east-1', account: '2' };
  const asked = regionOfMachines(contextWith({ ...elsewhere, hasVms: true }).context, 'us-east-1');
  await expect(asked).rejects.toMatchObject({
    failure: { code: 'credentials', message: expect.stringContaining('in the AWS account 2') as unknown },
  });
  const empty = contextWith({ ...elsewhere, hasVms: false }).context;
  expect(await regionOfMachines(empty, 'us-east-1')).toBe('us-east-1');
});

test('the first launch writes whose the state is, and an allocator with another uid is refused afterwards', async () => {
  const { store, folder } = await storeIn();
  const { context, recorded } = contextWith(null);
  const ours = { ...context, owner: store };
  expect(await store.read()).toBeNull();
  expect(await checkOwner(ours)).toMatchObject({ ok: true });
  await recordPlaceOfLaunch(ours, 'us-east-1');
  expect(await store.read()).toEqual({ uid: 'ours', region: 'us-east-1', account: '1' });
  expect(recorded).toEqual([{ region: 'us-east-1', account: '1' }]);
  expect(await checkOwner(ours)).toMatchObject({ ok: true });
  const refused = await checkOwner({ ...ours, uid: 'theirs' });
  expect(refused).toMatchObject({ failure: { code: 'program' } });
  await recordPlaceOfLaunch(ours, 'eu-west-1');
  expect((await store.read())?.region).toBe('eu-west-1');
  // A text that was cut off does not stand in the way of a destroy.
  await writeFile(join(folder, 'lablink-owner.lab'), '{"uid":"ou');
  expect(await checkOwner(ours)).toMatchObject({ ok: true });
});
