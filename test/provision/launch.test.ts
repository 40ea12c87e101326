import { expect, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { findActiveOperation } from '../../src/db/operations.ts';
import { hostnameOfToken } from '../../src/db/registration.ts';
import { recordTombstones } from '../../src/db/tombstones.ts';
import { findVm } from '../../src/db/vms.ts';
import { fail } from '../../src/result.ts';
import { hashToken } from '../../src/vms/token.ts';
import { startTestOperations, WAIT } from '../support/operations.ts';
import { insertFreeVms } from '../support/rows.ts';

test('a launch creates machines with rows, tokens, addresses and timings', async () => {
  await using lab = await startTestOperations();
  const { id } = await lab.launch(3);
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'succeeded', done: 3, failed: 0, total: 3, problem: null });
  expect(operation.startedAt).not.toBeNull();
  const names = ['lab-vm-test-1', 'lab-vm-test-2', 'lab-vm-test-3'];
  expect([...lab.provider.machines.keys()]).toEqual(names);
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(names);
  expect(await findVm(lab.db, 'lab-vm-test-2')).toMatchObject({
    provider: 'local',
    status: 'initializing',
    hasToken: true,
    address: '127.0.0.1',
    sshPort: 2222,
    provisioningSeconds: 1.5,
  });
  const [first] = lab.provider.spec().vms;
  expect(await hostnameOfToken(lab.db, hashToken(first?.token ?? ''))).toBe('lab-vm-test-1');
  expect(await lab.texts(id)).toContain('The provider starts.');
  expect((await lab.texts(id)).at(-1)).toBe('Done.');
});

test('a machine that cannot be created leaves no row, and the others stay', async () => {
  await using lab = await startTestOperations({
    script: { failing: new Map([['lab-vm-test-2', 'No room for it.']]) },
  });
  const { id } = await lab.launch(3);
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'failed', done: 2, failed: 1, total: 3 });
  expect(operation.problem?.problem).toBe('2 of 3 machines were created and are kept.');
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual([
    'lab-vm-test-1',
    'lab-vm-test-3',
  ]);
  expect(await lab.texts(id)).toContain('Could not be created: No room for it.');
});

test('rows and tokens are stored before a machine can report', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 0 } });
  const { id } = await lab.launch(2);
  const rows = await vi.waitFor(async () => {
    expect(lab.provider.calls).toContain('launch');
    return listVmRows(lab.db);
  }, WAIT);
  expect(rows).toMatchObject([
    { hostname: 'lab-vm-test-1', status: 'initializing', operationId: id },
    { hostname: 'lab-vm-test-2', status: 'initializing', operationId: id },
  ]);
  expect(lab.provider.machines.size).toBe(0);
  lab.provider.release();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded' });
});

test('a machine that the provider created without reporting it is found and kept', async () => {
  await using lab = await startTestOperations({ script: { unreported: new Set(['lab-vm-test-1']) } });
  const { id } = await lab.launch(1);
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 1 });
  expect(await findVm(lab.db, 'lab-vm-test-1')).toMatchObject({ address: '127.0.0.1', sshPort: 2222 });
});

test('a launch uses no hostname of a row, a tombstone or an orphan', async () => {
  await using lab = await startTestOperations();
  await insertFreeVms(lab.db, ['lab-vm-test-1']);
  await recordTombstones(lab.db, ['lab-vm-test-3']);
  lab.provider.machines.set('lab-vm-test-4', { hostname: 'lab-vm-test-4', operationId: null });
  await lab.ended((await lab.launch(3)).id);
  expect(lab.provider.spec().vms.map(({ hostname }) => hostname)).toEqual([
    'lab-vm-test-2',
    'lab-vm-test-5',
    'lab-vm-test-6',
  ]);
});

test('a second launch while one runs is answered with the running operation and creates nothing', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 0 } });
  const { id } = await lab.launch(2);
  const second = await lab.operations.launch({ numVms: 1, by: 'grace' });
  expect(second).toMatchObject({
    kind: 'busy',
    running: { id, kind: 'launch', numVms: 2, requestedBy: 'ada' },
  });
  expect(await lab.operations.destroy({ by: 'grace' })).toMatchObject({ kind: 'busy', running: { id } });
  lab.provider.release();
  await lab.ended(id);
  expect(lab.provider.machines.size).toBe(2);
});

test('of ten launches requested at once, one is accepted', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 0 } });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => lab.operations.launch({ numVms: 1, by: 'ada' })),
  );
  const accepted = answers.filter(({ kind }) => kind === 'accepted');
  expect(accepted).toHaveLength(1);
  expect(answers.filter(({ kind }) => kind === 'busy')).toHaveLength(9);
  lab.provider.release();
  const [first] = accepted;
  if (first?.kind === 'accepted') await lab.ended(first.operation.id);
});

test('a second launch after the first one takes the next hostnames', async () => {
  await using lab = await startTestOperations();
  await lab.ended((await lab.launch(1)).id);
  const second = await lab.ended((await lab.launch(1)).id);
  expect(second.status).toBe('succeeded');
  expect([...lab.provider.machines.keys()]).toEqual(['lab-vm-test-1', 'lab-vm-test-2']);
});

test('a launch is refused without an operation if the provider is not ready', async () => {
  const readiness = fail({ code: 'credentials', message: 'No credentials.', remedy: 'Sign in.' } as const);
  await using lab = await startTestOperations({ script: { readiness } });
  expect(await lab.operations.launch({ numVms: 1, by: 'ada' })).toEqual({
    kind: 'not_ready',
    failure: readiness.failure,
  });
  expect(await findActiveOperation(lab.db)).toBeNull();
});

test('a launch fails if the provider throws, and leaves no row without a machine', async () => {
  await using lab = await startTestOperations({ script: { throws: new Error('a bug') } });
  const operation = await lab.ended((await lab.launch(2)).id);
  expect(operation).toMatchObject({ status: 'failed', done: 0, problem: { kind: 'engine' } });
  expect(await listVmRows(lab.db)).toEqual([]);
  expect(lab.warnings.join('\n')).toContain('a bug');
});

test('the audit keeps who launched what, and when', async () => {
  await using lab = await startTestOperations();
  const { id } = await lab.launch(2);
  await lab.ended(id);
  const actions = await lab.db.selectFrom('audit_events').selectAll().execute();
  expect(actions).toMatchObject([{ who: 'ada', what: 'launch', detail: '2 machines', operation_id: id }]);
});
