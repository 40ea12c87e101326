// Machines that EC2 does not list yet, because they were created a moment ago.
import { expect, test } from 'vitest';
import { createAwsProvider } from '../../src/provision/aws/aws-provider.ts';
import { createRecentMachines, type AwsContext } from '../../src/provision/aws/context.ts';
import { fail } from '../../src/result.ts';

const LIST_DELAY_MS = 120_000;
const createdAt = new Date('2026-11-29T10:00:00Z');

/** EC2 lists nothing. @param ended the instances of which it says that they have ended */
function prepare(ended: readonly string[]) {
  const recentMachines = createRecentMachines(LIST_DELAY_MS, () => createdAt);
  for (const number of [1, 2])
    recentMachines.add({
      ...{ hostname: `lab-vm-test-${number}`, instanceId: `i-${number}`, launchId: 'launch-1' },
      ...{ address: null, instanceType: 't3.micro', createdAt },
    });
  const cloud = {
    listMachines: () => Promise.resolve([]),
    findEnded: (ids: readonly string[]) => Promise.resolve(new Set(ids.filter((id) => ended.includes(id)))),
  };
  const context = {
    recentMachines,
    region: 'us-east-1',
    limits: { listDelayMs: LIST_DELAY_MS },
    place: { read: () => Promise.resolve(null) },
    readSettings: () => Promise.resolve(fail({ code: 'program', message: 'None.', remedy: 'Set them.' })),
    backend: { stackFile: null },
    cloud: () => cloud,
  } as unknown as AwsContext;
  const provider = createAwsProvider(context);
  return async () => (await provider.list()).map(({ hostname }) => hostname);
}

test('a machine that EC2 does not list yet is listed', async () => {
  expect(await prepare([])()).toEqual(['lab-vm-test-1', 'lab-vm-test-2']);
});

test('a machine that another allocator has ended is not taken for one that EC2 does not list yet', async () => {
  expect(await prepare(['i-1'])()).toEqual(['lab-vm-test-2']);
});
