import { expect, test, vi } from 'vitest';
import type { Provider } from '../../src/provision/provider.ts';
import { readOperationVms } from '../../src/db/operation-vms.ts';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { reportStatus } from '../../src/db/reports.ts';
import { fail, succeed } from '../../src/result.ts';
import { startTestOperations, WAIT } from '../support/operations.ts';
import { giveThisVm, giveVm, insertFreeVms } from '../support/rows.ts';

test('a destroy destroys all machines, removes the rows, and reserves the hostnames', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(2)).id);
  const operation = await lab.ended((await lab.destroy()).id);
  expect(operation).toMatchObject({ status: 'succeeded', done: 2, total: 2 });
  expect(lab.provider.machines.size).toBe(0);
  expect(await listVmRows(lab.db)).toEqual([]);
  const late = { hostname: 'lab-vm-test-1', status: 'running', provider: 'external' } as const;
  expect(await reportStatus(lab.db, late)).toBe('late');
  expect(await listVmRows(lab.db)).toEqual([]);
  await lab.ended((await lab.launch(1)).id);
  expect([...lab.provider.machines.keys()]).toEqual(['lab-vm-test-3']);
});

test('the output of a destroy of all machines names their participants', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(2)).id);
  await giveThisVm(lab.db, 'lab-vm-test-2');
  const { id } = await lab.destroy();
  await lab.ended(id);
  expect((await lab.texts(id)).filter((text) => text.includes('is assigned to'))).toEqual([
    expect.stringContaining('ada@example.org: work on it that was not collected is lost'),
  ]);
});

test('a destroy without machines succeeds', async () => {
  await using lab = await startTestOperations();
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded', done: 0, total: 0 });
});

test('a destroy during a launch is refused and destroys nothing', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 1 } });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  expect(await lab.operations.destroy({ by: 'grace' })).toMatchObject({ kind: 'busy', running: { id } });
  lab.provider.release();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 2 });
});

test('machines that are being destroyed are not assigned', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  await reportStatus(lab.db, { hostname: 'lab-vm-test-1', status: 'running', provider: 'external' });
  lab.provider.script.holdAfter = 0;
  const { id } = await lab.destroy();
  await vi.waitFor(() => expect(lab.provider.calls).toContain('destroy'), WAIT);
  expect(await listVmRows(lab.db)).toMatchObject([{ status: 'destroying' }]);
  await expect(giveVm(lab.db, 'ada@example.org')).rejects.toThrow('none_free');
  lab.provider.release();
  await lab.ended(id);
});

test('a cancelled destroy restores the status of the remaining machines', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(2)).id);
  await reportStatus(lab.db, { hostname: 'lab-vm-test-2', status: 'running', provider: 'external' });
  lab.provider.script.holdAfter = 1;
  const { id } = await lab.destroy();
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  await lab.operations.cancel(id, 'ada');
  expect(await lab.ended(id)).toMatchObject({ status: 'cancelled', done: 1 });
  expect(await listVmRows(lab.db)).toMatchObject([{ hostname: 'lab-vm-test-2', status: 'running' }]);
  expect(await readOperationVms(lab.db, id)).toMatchObject([
    { state: 'destroyed', detail: null },
    { state: 'failed', detail: 'The operation ended before this machine was destroyed.' },
  ]);
});

test('a destroy that leaves machines fails and names them', async () => {
  await using lab = await startTestOperations({ script: { undeletable: new Set(['lab-vm-test-2']) } });
  await lab.ended((await lab.launch(2)).id);
  const operation = await lab.ended((await lab.destroy()).id);
  expect(operation).toMatchObject({ status: 'failed', done: 1, problem: { kind: 'left_over' } });
  expect(operation.problem?.problem).toBe('1 machine still exists: lab-vm-test-2.');
  expect(await listVmRows(lab.db)).toMatchObject([{ hostname: 'lab-vm-test-2' }]);
  expect(await readOperationVms(lab.db, operation.id)).toMatchObject([
    { state: 'destroyed', detail: null },
    { state: 'failed', detail: 'It still exists.' },
  ]);
});

test('a machine without a row that goes by itself during a destroy is destroyed', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  lab.provider.machines.set('ghost', { hostname: 'ghost', operationId: null });
  Object.assign(lab.provider.script, { undeletable: new Set(['ghost']), holdAfter: 1 });
  const { id } = await lab.destroy();
  await expect.poll(() => lab.provider.machines.size, WAIT).toBe(1);
  lab.provider.machines.delete('ghost');
  lab.provider.release();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 2, failed: 0, total: 2 });
  expect(await readOperationVms(lab.db, id)).toMatchObject([
    { hostname: 'ghost', state: 'destroyed', detail: null },
    { hostname: 'lab-vm-test-1', state: 'destroyed', detail: null },
  ]);
});

test('a machine that the provider could not destroy, and that goes by itself, is destroyed', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  const destroy: Provider['destroy'] = async (_hostnames, report) => {
    await report.kept('lab-vm-test-1', 'The cloud said no.');
    lab.provider.machines.clear();
    return fail({ code: 'program', message: 'The cloud said no.', remedy: 'Try again.' });
  };
  Object.assign(lab.provider, { destroy });
  const { id } = await lab.destroy();
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', done: 1, failed: 0, total: 1 });
  expect(await readOperationVms(lab.db, id)).toMatchObject([{ state: 'destroyed', detail: null }]);
});

test('a machine that is gone is not said to exist because it was released meanwhile; its row goes later', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  await giveThisVm(lab.db, 'lab-vm-test-1');
  const destroy: Provider['destroy'] = () => {
    lab.provider.machines.clear();
    const list: Provider['list'] = async () => {
      await lab.db.updateTable('vms').set({ assignment_id: null }).execute();
      return [];
    };
    Object.assign(lab.provider, { list });
    return Promise.resolve(succeed());
  };
  Object.assign(lab.provider, { destroy });
  const { id } = await lab.destroy();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 1, total: 1 });
  expect(await readOperationVms(lab.db, id)).toMatchObject([{ state: 'destroyed', detail: null }]);
  await expect.poll(() => listVmRows(lab.db), WAIT).toEqual([]);
});

test('a destroy that fails leaves no machine waiting, external ones neither', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  await insertFreeVms(lab.db, ['lab-pc-7']);
  lab.provider.script.undeletable = new Set(['lab-vm-test-1']);
  lab.provider.script.result = fail({ code: 'program', message: 'The cloud said no.', remedy: 'Try again.' });
  const operation = await lab.ended((await lab.destroy()).id);
  expect(operation).toMatchObject({ status: 'failed', done: 0, total: 2 });
  const reason = 'The operation ended before this machine was destroyed.';
  expect(await readOperationVms(lab.db, operation.id)).toMatchObject([
    { hostname: 'lab-pc-7', state: 'failed', detail: reason },
    { hostname: 'lab-vm-test-1', state: 'failed', detail: reason },
  ]);
});

test('external machines lose their rows; one that needs no token comes back with its next report', async () => {
  await using lab = await startTestOperations();
  await insertFreeVms(lab.db, ['lab-pc-7']);
  await giveVm(lab.db, 'ada@example.org');
  const { id } = await lab.destroy();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 1, total: 1 });
  expect(await listVmRows(lab.db)).toEqual([]);
  expect(await lab.texts(id)).toContain(
    'External machines keep running; they were only removed from the list (1). One without a token comes back with its next report.',
  );
  const report = { hostname: 'lab-pc-7', status: 'running', provider: 'external' } as const;
  expect(await reportStatus(lab.db, report)).toBe('recorded');
  expect(await listVmRows(lab.db)).toMatchObject([{ hostname: 'lab-pc-7', email: null }]);
});

test('machines of another provider stay, and the output says how to destroy them', async () => {
  await using lab = await startTestOperations();
  await lab.db
    .insertInto('vms')
    .values({ hostname: 'cloud-1', provider: 'aws', status: 'running' })
    .execute();
  const { id } = await lab.destroy();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', total: 0 });
  expect(await listVmRows(lab.db)).toMatchObject([{ hostname: 'cloud-1', status: 'running' }]);
  expect((await lab.texts(id)).join('\n')).toContain('PROVIDER=aws');
});

test('a destroy that cannot be verified fails, and rows are reconciled as soon as the provider answers', async () => {
  await using lab = await startTestOperations({ script: { undeletable: new Set(['lab-vm-test-2']) } });
  await lab.ended((await lab.launch(2)).id);
  lab.provider.script.holdAfter = 2;
  const { id } = await lab.destroy();
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  lab.provider.script.listFails = true;
  lab.provider.release();
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'failed', done: 1, problem: { kind: 'engine' } });
  expect(operation.problem?.problem).toBe('Could not check whether any machine is left.');
  expect(await listVmRows(lab.db)).toMatchObject([{ status: 'destroying' }]);
  // Nobody knows about the second.
  expect(await readOperationVms(lab.db, id)).toMatchObject([{ state: 'destroyed' }, { state: 'waiting' }]);
  lab.provider.script.listFails = false;
  await expect.poll(() => listVmRows(lab.db), WAIT).toMatchObject([{ status: 'initializing' }]);
});

test('a destroy of one and of all ends although a machine is gone and a call to its address never returns', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(3, 8)).id);
  const calling = Promise.withResolvers<unknown>();
  const rescheduleShutdown: Provider['rescheduleShutdown'] = (hostnames, _shutdownAt, signal) =>
    new Promise((resolve) => {
      calling.resolve(null);
      const end = (): void => resolve(hostnames.map((hostname) => ({ hostname, error: 'No answer.' })));
      signal.addEventListener('abort', end, { once: true });
    });
  Object.assign(lab.provider, { rescheduleShutdown });
  void lab.operations.extend({ hours: 2, by: 'ada' });
  await calling.promise;
  lab.provider.machines.delete('lab-vm-test-1');
  const one = await lab.operations.destroyOne({ hostname: 'lab-vm-test-1', by: 'ada' });
  if (one.kind !== 'accepted') throw new Error(one.kind);
  expect(await lab.ended(one.operation.id)).toMatchObject({ status: 'succeeded', done: 1 });
  lab.provider.machines.delete('lab-vm-test-2');
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded', done: 2 });
  expect(await listVmRows(lab.db)).toEqual([]);
});
