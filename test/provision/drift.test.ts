// Rows and machines that come apart while nobody looks, and machines that a forced end leaves: found at intervals and mended.
import { expect, test, vi } from 'vitest';
import { insertOperation, takeOperation } from '../../src/db/operations.ts';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { createScriptedProvider, type Script } from '../doubles/scripted-provider.ts';
import { shortIntervals, startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveThisVm } from '../support/rows.ts';

const watching = { ...shortIntervals, reconcileMs: 50 };
const hostnames = async ({ db }: TestOperations) => (await listVmRows(db)).map(({ hostname }) => hostname);

test('a machine that was terminated elsewhere loses its row while nobody looks, and its participant is told', async () => {
  await using lab = await startTestOperations({ as: 'aws', intervals: watching });
  await lab.ended((await lab.launch(2)).id);
  await giveThisVm(lab.db, 'lab-vm-test-2');
  lab.provider.machines.clear();
  await vi.waitFor(
    async () =>
      expect(await listVmRows(lab.db)).toMatchObject([{ hostname: 'lab-vm-test-2', status: 'unreachable' }]),
    WAIT,
  );
  await vi.waitFor(() => {
    const { items } = lab.operations.orphans.seen();
    expect(items).toMatchObject([{ id: 'lab-vm-test-2', kind: 'record' }]);
  }, WAIT);
  const ledger = await lab.db
    .selectFrom('vm_hours')
    .select('hostname')
    .where('destroyed_at', 'is', null)
    .execute();
  expect(ledger).toEqual([]);
});

test('a machine whose address changes gets the new one into its row while nobody looks', async () => {
  await using lab = await startTestOperations({ as: 'aws', intervals: watching });
  await lab.ended((await lab.launch(1)).id);
  const machine = lab.provider.machines.get('lab-vm-test-1')!;
  lab.provider.machines.set('lab-vm-test-1', { ...machine, ssh: { address: '192.0.2.44' } });
  await vi.waitFor(
    async () => expect(await listVmRows(lab.db)).toMatchObject([{ address: '192.0.2.44' }]),
    WAIT,
  );
  expect(lab.warnings).toEqual([]);
});

/** A launch of two machines that is cancelled and forced to end, after both were created. */
async function forcedLaunch(lab: TestOperations) {
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(2), WAIT);
  await lab.operations.cancel(id, 'ada');
  return lab.ended(id);
}

const forced: Partial<Script> = {
  leftBehind: new Set(['lab-vm-test-1', 'lab-vm-test-2']),
  holdAfter: 2,
  stopsOn: 'force',
};
const soonForced = { ...shortIntervals, forceAfterMs: 50 };

test('what a forced end left is destroyed, although the run itself was forced', async () => {
  await using lab = await startTestOperations({ as: 'aws', script: forced, intervals: soonForced });
  expect(await forcedLaunch(lab)).toMatchObject({
    status: 'cancelled',
    problem: { problem: 'Cancelled. None was created.' },
  });
  expect(lab.provider.machines.size).toBe(0);
});

test('what cannot be destroyed after a forced end is named, shown, and destroyed as soon as that works', async () => {
  const script = { ...forced, terminateFails: true };
  await using lab = await startTestOperations({
    as: 'aws',
    script,
    intervals: { ...soonForced, reconcileMs: 50 },
  });
  const operation = await forcedLaunch(lab);
  expect(operation.problem?.problem).toBe(
    'Cancelled. None is kept. 2 machines still exist and are destroyed as soon as the provider answers: lab-vm-test-1, lab-vm-test-2.',
  );
  expect(operation).toMatchObject({ done: 0, failed: 2 });
  expect(await hostnames(lab)).toEqual([]);
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([
    {
      id: 'i-lab-vm-test-1',
      adoptable: false,
      reason: expect.stringContaining('An unfinished launch left it') as unknown,
    },
    { id: 'i-lab-vm-test-2' },
  ]);
  lab.provider.script.terminateFails = false;
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(0), WAIT);
  await vi.waitFor(() => expect(lab.operations.orphans.seen().items).toEqual([]), WAIT);
});

test('a launch does not claim that nothing was created when the provider cannot be asked', async () => {
  await using lab = await startTestOperations({ as: 'aws', script: forced, intervals: soonForced });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(2), WAIT);
  lab.provider.script.listFails = true;
  await lab.operations.cancel(id, 'ada');
  expect((await lab.ended(id)).problem?.problem).toBe(
    'Cancelled. It is not known yet whether any was created; the server looks again until the provider answers.',
  );
  lab.provider.script.listFails = false;
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(0), WAIT);
});

test('a machine with the same deployment and another uid is shown, and is neither destroyed nor in the way', async () => {
  const foreign = [{ hostname: 'lab-vm-test-1', id: 'i-theirs', operationId: crypto.randomUUID() }];
  await using lab = await startTestOperations({ as: 'aws', script: { foreign }, intervals: watching });
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([{ id: 'i-theirs', kind: 'foreign', adoptable: true, terminable: false }]);
  expect(items[0]?.reason).toContain('another allocator');
  expect(await lab.operations.orphans.terminate('i-theirs', 'ada')).toMatchObject({
    failure: { code: 'refused' },
  });
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded' });
  expect(lab.provider.calls.join()).not.toContain('i-theirs');
});

test('a machine of a lost allocator that an admin adds to the list is destroyed with the others', async () => {
  const foreign = [{ hostname: 'old-vm-1', id: 'i-theirs', operationId: crypto.randomUUID() }];
  await using lab = await startTestOperations({ as: 'aws', script: { foreign }, intervals: watching });
  expect(await lab.operations.orphans.adopt('i-theirs', 'ada')).toMatchObject({ ok: true });
  expect(await hostnames(lab)).toEqual(['old-vm-1']);
  expect(lab.operations.orphans.seen().items).toEqual([]);
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded', done: 1 });
  expect(lab.provider.machines.size).toBe(0);
});

test('two servers that compare at the same time change each row once, and leave a running operation alone', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider({}, 'aws');
  const shared = { on: database, scripted, alone: false, intervals: watching };
  await using one = await startTestOperations(shared);
  await using two = await startTestOperations(shared);
  await one.ended((await one.launch(3)).id);
  scripted.machines.delete('lab-vm-test-2');
  await vi.waitFor(
    async () => expect(await hostnames(one)).toEqual(['lab-vm-test-1', 'lab-vm-test-3']),
    WAIT,
  );
  const told = [...one.warnings, ...two.warnings].filter((text) => text.includes('No longer exists'));
  expect(told).toHaveLength(1);
  // An operation of a third server: its row has no machine yet.
  const id = crypto.randomUUID();
  await insertOperation(one.db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  await takeOperation(one.db, { id, owner: 'third', leaseMs: 3_600_000 });
  await one.db
    .insertInto('vms')
    .values({ hostname: 'lab-vm-test-9', provider: 'aws', status: 'initializing', operation_id: id })
    .execute();
  scripted.machines.delete('lab-vm-test-3');
  const before = scripted.calls.length;
  await one.operations.orphans.look();
  await two.operations.orphans.look();
  expect(await hostnames(two)).toEqual(['lab-vm-test-1', 'lab-vm-test-3', 'lab-vm-test-9']);
  expect(scripted.calls.length).toBe(before);
});
