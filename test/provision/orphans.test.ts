import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { findVm } from '../../src/db/vms.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveThisVm } from '../support/rows.ts';

const actions = ({ db }: TestOperations) =>
  db.selectFrom('audit_events').select(['who', 'what', 'detail']).orderBy('id').execute();

test('at start, a machine of another database is found as an orphan and left running', async () => {
  const scripted = createScriptedProvider({}, 'aws');
  const launch = randomUUID();
  scripted.machines.set('x', { hostname: 'lab-vm-test-1', id: 'i-1', operationId: launch });
  await using lab = await startTestOperations({ scripted });
  await vi.waitFor(() => {
    expect(lab.operations.orphans.seen().items).toMatchObject([
      {
        id: 'i-1',
        kind: 'vm',
        hostname: 'lab-vm-test-1',
        launchId: launch,
        adoptable: true,
        terminable: true,
      },
    ]);
  }, WAIT);
  expect(lab.operations.orphans.seen().items[0]?.reason).toContain('does not know its launch');
  expect(scripted.machines.size).toBe(1);
  expect(scripted.calls).not.toContain('terminate i-1');
});

test('an adopted machine has a row, is not assigned, counts as cost, and is destroyed with the others', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  lab.provider.machines.set('x', {
    hostname: 'lab-vm-test-1',
    id: 'i-1',
    operationId: null,
    instanceType: 'g5.xlarge',
    ssh: { address: '192.0.2.7' },
  });
  expect(await lab.operations.orphans.adopt('i-1', 'ada')).toMatchObject({ ok: true });
  expect(await findVm(lab.db, 'lab-vm-test-1')).toMatchObject({
    provider: 'aws',
    status: 'unreachable',
    hasToken: false,
    address: '192.0.2.7',
  });
  expect(lab.operations.orphans.seen().items).toEqual([]);
  expect(await actions(lab)).toMatchObject([{ who: 'ada', what: 'adopt' }]);
  const hours = await lab.db.selectFrom('vm_hours').select(['hostname', 'instance_type']).execute();
  expect(hours).toEqual([{ hostname: 'lab-vm-test-1', instance_type: 'g5.xlarge' }]);
  expect(await lab.operations.orphans.adopt('i-1', 'ada')).toMatchObject({ failure: { code: 'not_found' } });
});

test('a duplicate machine cannot be adopted and is terminated by its own id', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(1)).id);
  const [row] = await listVmRows(lab.db);
  expect(row?.providerId).toBe('i-lab-vm-test-1');
  // The provider lists the duplicate before the machine that has the row.
  const mine = lab.provider.machines.get('lab-vm-test-1')!;
  lab.provider.machines.clear();
  lab.provider.machines.set('second', { ...mine, id: 'i-second', operationId: row?.operationId ?? null });
  lab.provider.machines.set('lab-vm-test-1', mine);
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([{ id: 'i-second', adoptable: false, terminable: true }]);
  expect(await lab.operations.orphans.adopt('i-second', 'ada')).toMatchObject({
    failure: { code: 'refused' },
  });
  expect(await lab.operations.orphans.terminate('i-second', 'ada')).toMatchObject({ ok: true });
  expect([...lab.provider.machines.values()]).toEqual([mine]);
  expect(await listVmRows(lab.db)).toHaveLength(1);
  expect(await actions(lab)).toContainEqual({
    who: 'ada',
    what: 'terminate',
    detail: 'vm lab-vm-test-1 (i-second)',
  });
});

test('a row without a machine is shown with its participant and removed only on request', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(2)).id);
  await giveThisVm(lab.db, 'lab-vm-test-2');
  lab.provider.machines.delete('lab-vm-test-2');
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([{ id: 'lab-vm-test-2', kind: 'record', adoptable: false, terminable: true }]);
  expect(items[0]?.reason).toContain('@example.org: assign another machine.');
  expect(await listVmRows(lab.db)).toHaveLength(2);
  await lab.operations.orphans.terminate('lab-vm-test-2', 'ada');
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['lab-vm-test-1']);
});

test('while an operation runs, its machines are no orphans, and no orphan can be terminated', async () => {
  await using lab = await startTestOperations({ as: 'aws', script: { holdAfter: 1 } });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  lab.provider.machines.set('x', { hostname: 'other', id: 'i-1', operationId: null });
  expect((await lab.operations.orphans.look()).items).toMatchObject([{ id: 'i-1' }]);
  expect(await lab.operations.orphans.terminate('i-1', 'ada')).toMatchObject({
    failure: { code: 'refused' },
  });
  expect(lab.provider.machines.has('x')).toBe(true);
  lab.provider.release();
  await lab.ended(id);
});

test('if the provider cannot list its machines, the last survey stays, and no orphan can be terminated', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  lab.provider.machines.set('x', { hostname: 'other', id: 'i-1', operationId: null });
  await lab.operations.orphans.look();
  lab.provider.script.listFails = true;
  const survey = await lab.operations.orphans.look();
  expect(survey).toMatchObject({
    items: [{ id: 'i-1' }],
    error: expect.stringContaining('could not list its machines') as unknown,
  });
  expect(await lab.operations.orphans.terminate('i-1', 'ada')).toMatchObject({
    failure: { code: 'refused' },
  });
  expect(lab.provider.machines.size).toBe(1);
});

/** Inserts an earlier launch with this outcome. */
async function insertLaunch(db: TestOperations['db'], status: string): Promise<string> {
  const id = randomUUID();
  await db
    .insertInto('operations')
    .values({ id, kind: 'launch', status, requested_by: 'ada', num_vms: 1, ended_at: new Date() })
    .execute();
  return id;
}

test('only machines that an unfinished launch left are terminated automatically', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider({}, 'aws');
  const interrupted = await insertLaunch(database.db, 'interrupted');
  const good = await insertLaunch(database.db, 'succeeded');
  scripted.machines.set('a', { hostname: 'left', id: 'i-left', operationId: interrupted });
  scripted.machines.set('b', { hostname: 'stays', id: 'i-stays', operationId: good });
  await using lab = await startTestOperations({ on: database, scripted });
  expect(scripted.calls).toContain('terminate i-left');
  expect([...scripted.machines.keys()]).toEqual(['b']);
  await vi.waitFor(() => {
    expect(lab.operations.orphans.seen().items).toMatchObject([{ id: 'i-stays' }]);
  }, WAIT);
});
