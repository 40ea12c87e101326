import { expect, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { insertOperation } from '../../src/db/operations.ts';
import { shortIntervals, startTestOperations, WAIT } from '../support/operations.ts';

test('a cancelled launch keeps the machines that were created and removes the rows of the others', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 1 } });
  const { id } = await lab.launch(3);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  expect(await lab.operations.cancel(id, 'grace')).toMatchObject({ kind: 'requested', operation: { id } });
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'cancelled', done: 1, problem: { kind: 'cancelled' } });
  expect(operation.problem?.problem).toBe('Cancelled. 1 of 3 machines was created and is kept.');
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['lab-vm-test-1']);
});

test('cancelling twice changes nothing, and a finished operation cannot be cancelled', async () => {
  await using lab = await startTestOperations({
    script: { holdAfter: 0, stopsOn: 'force' },
    intervals: { ...shortIntervals, forceAfterMs: 500 },
  });
  const { id } = await lab.launch(1);
  await lab.reached(id, 'running');
  const first = await lab.operations.cancel(id, 'grace');
  const second = await lab.operations.cancel(id, 'ada');
  expect(first.kind).toBe('requested');
  expect(second).toEqual(first);
  await lab.ended(id);
  expect(await lab.operations.cancel(id, 'ada')).toMatchObject({
    kind: 'finished',
    operation: { status: 'cancelled' },
  });
  expect(await lab.operations.cancel(crypto.randomUUID(), 'ada')).toEqual({ kind: 'unknown' });
  const actions = await lab.db.selectFrom('audit_events').select(['who', 'what']).orderBy('id').execute();
  expect(actions).toEqual([
    { who: 'ada', what: 'launch' },
    { who: 'grace', what: 'cancel' },
  ]);
});

test('a provider that ignores the cancellation is forced to end', async () => {
  await using lab = await startTestOperations({
    script: { holdAfter: 1, stopsOn: 'force' },
    intervals: { ...shortIntervals, forceAfterMs: 50 },
  });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  await lab.operations.cancel(id, 'ada');
  expect(await lab.ended(id)).toMatchObject({ status: 'cancelled', done: 1 });
});

test('a provider that ignores everything is abandoned, and the next launch works', async () => {
  await using lab = await startTestOperations({
    script: { holdAfter: 0, stopsOn: 'nothing' },
    intervals: { ...shortIntervals, forceAfterMs: 50, abandonAfterMs: 50 },
  });
  const { id } = await lab.launch(1);
  await vi.waitFor(() => expect(lab.provider.calls).toContain('launch'), WAIT);
  await lab.operations.cancel(id, 'ada');
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'cancelled', done: 0 });
  expect(operation.problem?.problem).toContain('did not end, although it was forced to');
  expect(await listVmRows(lab.db)).toEqual([]);
  lab.provider.script.holdAfter = null;
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
});

test('a run that takes too long is cancelled', async () => {
  await using lab = await startTestOperations({
    script: { holdAfter: 0 },
    intervals: { ...shortIntervals, runLimitMs: 50 },
  });
  const operation = await lab.ended((await lab.launch(1)).id);
  expect(operation).toMatchObject({ status: 'failed', problem: { kind: 'timeout' } });
});

test('an operation that is still queued is cancelled at once', async () => {
  await using lab = await startTestOperations();
  const id = crypto.randomUUID();
  // No job exists, as if no worker were running.
  await insertOperation(lab.db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  expect(await lab.operations.cancel(id, 'ada')).toMatchObject({
    kind: 'requested',
    operation: { status: 'cancelled', startedAt: null },
  });
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
});
