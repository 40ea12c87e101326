import { expect, test } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { startTestOperations, type TestOperations } from '../support/operations.ts';
import { giveThisVm, insertFreeVms } from '../support/rows.ts';

async function destroyOne(lab: TestOperations, hostname: string): Promise<string> {
  const answer = await lab.operations.destroyOne({ hostname, by: 'ada' });
  if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer));
  return answer.operation.id;
}

test('destroying one machine leaves the others, and the output names its participant', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(3)).id);
  await giveThisVm(lab.db, 'lab-vm-test-2');
  const id = await destroyOne(lab, 'lab-vm-test-2');
  expect(await lab.ended(id)).toMatchObject({
    status: 'succeeded',
    done: 1,
    total: 1,
    hostnames: ['lab-vm-test-2'],
  });
  expect([...lab.provider.machines.keys()]).toEqual(['lab-vm-test-1', 'lab-vm-test-3']);
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual([
    'lab-vm-test-1',
    'lab-vm-test-3',
  ]);
  expect((await lab.texts(id)).join(' ')).toMatch(
    /assigned to ada@example\.org: work on it that was not collected is lost/,
  );
});

test('destroying one machine fails if it stays, and the others keep their status', async () => {
  await using lab = await startTestOperations({ script: { undeletable: new Set(['lab-vm-test-1']) } });
  await lab.ended((await lab.launch(2)).id);
  const id = await destroyOne(lab, 'lab-vm-test-1');
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', problem: { kind: 'left_over' } });
  expect(await listVmRows(lab.db)).toMatchObject([
    { hostname: 'lab-vm-test-1', status: 'initializing' },
    { hostname: 'lab-vm-test-2', status: 'initializing' },
  ]);
});

test('destroying an external machine only removes its row', async () => {
  await using lab = await startTestOperations();
  await insertFreeVms(lab.db, ['lab-pc-7', 'lab-pc-8']);
  const id = await destroyOne(lab, 'lab-pc-7');
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 1 });
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['lab-pc-8']);
});

test('destroying an unknown machine is answered with unknown, and during another operation with that operation', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 0 } });
  expect(await lab.operations.destroyOne({ hostname: 'nobody', by: 'ada' })).toEqual({ kind: 'unknown' });
  const { id } = await lab.launch(1);
  await lab.reached(id, 'running');
  await insertFreeVms(lab.db, ['lab-pc-7']);
  const answer = await lab.operations.destroyOne({ hostname: 'lab-pc-7', by: 'ada' });
  expect(answer).toMatchObject({ kind: 'busy', running: { id } });
  lab.provider.release();
  await lab.ended(id);
});

test('after a complete destroy, the output says that the provider lists no more machines', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(2)).id);
  const { id } = await lab.destroy();
  await lab.ended(id);
  expect(await lab.texts(id)).toContain('EC2 lists 0 machines with the tags of this deployment.');
});

test('after an incomplete destroy, the output does not say that nothing is left', async () => {
  await using lab = await startTestOperations({
    as: 'aws',
    script: { undeletable: new Set(['lab-vm-test-1']) },
  });
  await lab.ended((await lab.launch(2)).id);
  const { id } = await lab.destroy();
  expect(await lab.ended(id)).toMatchObject({ status: 'failed' });
  expect((await lab.texts(id)).join(' ')).not.toContain('EC2 lists');
});
