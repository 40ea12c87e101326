import { expect, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';

const rules = { hours: null, canary: { above: 2, limitMs: 60_000 } } as const;
const FIRST = 'lab-vm-test-1';

async function goesAhead(lab: TestOperations): Promise<void> {
  await vi.waitFor(() => {
    expect([...lab.provider.machines.keys()]).toEqual([FIRST]);
  }, WAIT);
}
const report = ({ db }: TestOperations, status: string) =>
  db.updateTable('vms').set({ status }).where('hostname', '=', FIRST).execute();

test('the first machine of a large launch is created alone, and the others follow when it has reported', async () => {
  await using lab = await startTestOperations({ rules });
  const { id } = await lab.launch(4);
  await goesAhead(lab);
  expect(await listVmRows(lab.db)).toHaveLength(1);
  await report(lab, 'running');
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 4, failed: 0, total: 4 });
  expect(lab.provider.machines.size).toBe(4);
  expect(await lab.texts(id)).toContain('Created first, alone; 3 more follow when it has reported.');
});

test('a canary that reports an error stays, and the other machines are not created', async () => {
  await using lab = await startTestOperations({ rules });
  const { id } = await lab.launch(4);
  await goesAhead(lab);
  await report(lab, 'error');
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'failed', done: 1, total: 4, problem: { kind: 'program' } });
  expect(operation.problem?.problem).toBe(
    `${FIRST}, which was created first, reported an error: the others were not created. 1 of 4 machines was created and is kept.`,
  );
  expect([...lab.provider.machines.keys()]).toEqual([FIRST]);
  expect(await listVmRows(lab.db)).toMatchObject([{ hostname: FIRST, status: 'error' }]);
});

test('a canary that does not report in time ends the launch', async () => {
  await using lab = await startTestOperations({
    rules: { hours: null, canary: { above: 2, limitMs: 30 } },
  });
  const operation = await lab.ended((await lab.launch(3)).id);
  expect(operation).toMatchObject({ status: 'failed', done: 1, problem: { kind: 'timeout' } });
});

test('a launch that waits for its canary is cancelled at once', async () => {
  await using lab = await startTestOperations({ rules });
  const { id } = await lab.launch(4);
  await goesAhead(lab);
  await lab.operations.cancel(id, 'ada');
  expect(await lab.ended(id)).toMatchObject({ status: 'cancelled', done: 1, total: 4 });
  expect(lab.provider.calls.filter((call) => call === 'launch')).toHaveLength(1);
});

test('a canary that cannot be created ends the launch', async () => {
  await using lab = await startTestOperations({
    rules,
    script: { failing: new Map([[FIRST, 'No capacity.']]) },
  });
  expect(await lab.ended((await lab.launch(4)).id)).toMatchObject({ status: 'failed', done: 0 });
  expect(lab.provider.machines.size).toBe(0);
});

test('a small launch has no canary', async () => {
  await using lab = await startTestOperations({ rules });
  expect(await lab.ended((await lab.launch(2)).id)).toMatchObject({ status: 'succeeded', done: 2 });
});
