// The steps of a replacement that deletes before it creates, as the real engine (3.260.0) was seen to make them on these tests
// (`LABLINK_TEST_ENGINE`): this is the recording of it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCloud, type TestCloud } from '../support/cloud.ts';
import { motoIsThere } from '../support/moto.ts';
import { createLab, type DriveResult, type Lab } from './drive.ts';

/** `<begin or end> <op> <name>`, of what is no part of Pulumi, in order; what changes nothing is left out. */
function stepsOf({ events }: DriveResult): string[] {
  const kinds = [
    ['resourcePreEvent', 'begin'],
    ['resOutputsEvent', 'end'],
    ['resOpFailedEvent', 'fail'],
  ] as const;
  return events.flatMap((event) =>
    kinds.flatMap(([key, kind]) => {
      const { metadata } = (event[key] ?? {}) as { metadata?: Metadata };
      if (!metadata || metadata.type.startsWith('pulumi:') || metadata.op === 'same') return [];
      const logical = metadata.logical === true ? '' : ' (part)';
      return [`${kind} ${metadata.op} ${metadata.urn.split('::').at(-1) ?? ''}${logical}`];
    }),
  );
}

type Metadata = {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly logical?: boolean;
};

describe.skipIf(!motoIsThere())('a replacement', { timeout: 120_000 }, () => {
  let cloud: TestCloud;
  let lab: Lab;
  beforeAll(async () => {
    cloud = await startCloud({ checksPermissions: false });
    lab = await createLab(cloud, { isRecorded: false });
  }, 60_000);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
    await cloud[Symbol.asyncDispose]();
  });

  const up = (userData: string) => lab.run('up', { machines: [], replaced: { name: 'r-1', userData } });
  const pending = () =>
    lab
      .stateFile()
      .resources.flatMap(({ urn, pendingReplacement }) =>
        pendingReplacement === true ? [urn.split('::').at(-1)] : [],
      );

  test('deletes what depends on the resource first, and creates it again last', async () => {
    await up('one');
    const run = await up('two');
    expect(stepsOf(run)).toEqual([
      'begin delete-replaced association (part)',
      'end delete-replaced association (part)',
      'begin delete-replaced r-1 (part)',
      'end delete-replaced r-1 (part)',
      'begin replace r-1',
      'end replace r-1',
      'begin create-replacement r-1 (part)',
      'end create-replacement r-1 (part)',
      'begin replace association',
      'end replace association',
      'begin create-replacement association (part)',
      'end create-replacement association (part)',
    ]);
    expect(run.done?.summary).toMatchObject({ resourceChanges: { same: 2, replace: 2 } });
    expect(await cloud.machines()).toHaveLength(1);
    expect(pending()).toEqual([]);
  });

  test('that is rejected leaves its resources pending, and the next run replaces them', async () => {
    cloud.faults.reject('r-1', 'InsufficientInstanceCapacity');
    const rejected = await up('three');
    cloud.faults.reset();
    expect(stepsOf(rejected)).toEqual([
      'begin delete-replaced association (part)',
      'end delete-replaced association (part)',
      'begin delete-replaced r-1 (part)',
      'end delete-replaced r-1 (part)',
      'begin replace r-1',
      'end replace r-1',
      'begin create-replacement r-1 (part)',
      'fail create-replacement r-1 (part)',
    ]);
    expect(pending()).toEqual(['r-1', 'association']);
    expect(await cloud.machines()).toEqual([]);
    const again = await up('three');
    // What depends on it is deleted once more.
    expect(stepsOf(again)).toEqual([
      'begin delete-replaced association (part)',
      'end delete-replaced association (part)',
      'begin replace r-1',
      'end replace r-1',
      'begin create-replacement r-1 (part)',
      'end create-replacement r-1 (part)',
      'begin replace association',
      'end replace association',
      'begin create-replacement association (part)',
      'end create-replacement association (part)',
    ]);
    expect(pending()).toEqual([]);
    expect(await cloud.machines()).toHaveLength(1);
  });

  test('that is rejected at what depends on it leaves that pending, and the next run creates it', async () => {
    cloud.faults.reject('association', 'InternalError');
    const rejected = await up('four');
    cloud.faults.reset();
    expect(stepsOf(rejected).slice(-4)).toEqual([
      'begin replace association',
      'end replace association',
      'begin create-replacement association (part)',
      'fail create-replacement association (part)',
    ]);
    expect(pending()).toEqual(['association']);
    // In the other order, and what is gone is deleted once more.
    expect(stepsOf(await up('four'))).toEqual([
      'begin create-replacement association (part)',
      'end create-replacement association (part)',
      'begin replace association',
      'end replace association',
      'begin delete-replaced association (part)',
      'end delete-replaced association (part)',
    ]);
    expect(pending()).toEqual([]);
  });

  test('that is rejected can be destroyed', async () => {
    cloud.faults.reject('r-1', 'InsufficientInstanceCapacity');
    await up('five');
    cloud.faults.reset();
    const destroyed = await lab.run('destroy', []);
    // What does not depend on one another ends at the same time.
    expect(stepsOf(destroyed).sort()).toEqual([
      'begin delete address',
      'begin remove-pending-replace association (part)',
      'begin remove-pending-replace r-1 (part)',
      'end delete address',
      'end remove-pending-replace association (part)',
      'end remove-pending-replace r-1 (part)',
    ]);
    expect(destroyed.failed).toBeNull();
    expect(await cloud.machines()).toEqual([]);
    expect(lab.stateFile().resources).toEqual([]);
  });
});
