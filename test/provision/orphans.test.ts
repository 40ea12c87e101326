import { randomUUID } from 'node:crypto';
import { expect, test, vi } from 'vitest';
import { listMachineRows } from '../../src/db/fleet.ts';
import { findVm } from '../../src/db/vms.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveThisVm } from '../support/rows.ts';

const actions = ({ db }: TestOperations) =>
  db.selectFrom('audit_events').select(['who', 'what', 'detail']).orderBy('id').execute();

test('at start, a machine of another database is found, told, and left alone', async () => {
  const scripted = createScriptedProvider({}, 'aws');
  const launch = randomUUID();
  scripted.world.set('x', { hostname: 'lab-vm-test-1', id: 'i-1', operationId: launch });
  await using lab = await startTestOperations({ scripted });
  await vi.waitFor(() => {
    expect(lab.operations.orphans.seen().items).toMatchObject([
      {
        id: 'i-1',
        kind: 'machine',
        hostname: 'lab-vm-test-1',
        launchId: launch,
        adoptable: true,
        terminable: true,
      },
    ]);
  }, WAIT);
  expect(lab.operations.orphans.seen().items[0]?.reason).toContain('its launch is not known here');
  expect(scripted.world.size).toBe(1);
  expect(scripted.calls).not.toContain('terminate i-1');
});

test('an adopted machine has a row, is given to nobody, costs money, and is destroyed with the others', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  lab.provider.world.set('x', {
    hostname: 'lab-vm-test-1',
    id: 'i-1',
    operationId: null,
    instanceType: 'g5.xlarge',
    ssh: { address: '192.0.2.7' },
  });
  expect(await lab.operations.orphans.adopt('i-1', 'ada')).toMatchObject({ kind: 'done' });
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
  expect(await lab.operations.orphans.adopt('i-1', 'ada')).toEqual({ kind: 'unknown' });
});

test('a machine that was made twice is told from the one of the row, cannot be adopted, and ends by its own id', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(1)).id);
  const [row] = await listMachineRows(lab.db);
  expect(row?.providerId).toBe('i-lab-vm-test-1');
  // The older one comes first in the listing.
  const mine = lab.provider.world.get('lab-vm-test-1')!;
  lab.provider.world.clear();
  lab.provider.world.set('second', { ...mine, id: 'i-second', operationId: row?.operationId ?? null });
  lab.provider.world.set('lab-vm-test-1', mine);
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([{ id: 'i-second', adoptable: false, terminable: true }]);
  expect(await lab.operations.orphans.adopt('i-second', 'ada')).toMatchObject({ kind: 'refused' });
  expect(await lab.operations.orphans.terminate('i-second', 'ada')).toMatchObject({ kind: 'done' });
  expect([...lab.provider.world.values()]).toEqual([mine]);
  expect(await listMachineRows(lab.db)).toHaveLength(1);
  expect(await actions(lab)).toContainEqual({
    who: 'ada',
    what: 'terminate',
    detail: 'machine lab-vm-test-1 (i-second)',
  });
});

test('a row whose machine was ended elsewhere is shown with its participant, and cleared only when an admin says so', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  await lab.ended((await lab.launch(2)).id);
  await giveThisVm(lab.db, 'lab-vm-test-2');
  lab.provider.world.delete('lab-vm-test-2');
  const { items } = await lab.operations.orphans.look();
  expect(items).toMatchObject([{ id: 'lab-vm-test-2', kind: 'row', adoptable: false, terminable: true }]);
  expect(items[0]?.reason).toContain('@example.org has it, and needs another one.');
  expect(await listMachineRows(lab.db)).toHaveLength(2);
  await lab.operations.orphans.terminate('lab-vm-test-2', 'ada');
  expect((await listMachineRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['lab-vm-test-1']);
});

test('while an operation runs nothing is decided, and its machines are no orphans', async () => {
  await using lab = await startTestOperations({ as: 'aws', script: { holdAfter: 1 } });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.world.size).toBe(1), WAIT);
  lab.provider.world.set('x', { hostname: 'other', id: 'i-1', operationId: null });
  expect((await lab.operations.orphans.look()).items).toMatchObject([{ id: 'i-1' }]);
  expect(await lab.operations.orphans.terminate('i-1', 'ada')).toMatchObject({ kind: 'refused' });
  expect(lab.provider.world.has('x')).toBe(true);
  lab.provider.release();
  await lab.ended(id);
});

test('a provider that cannot be asked leaves the last list, and nothing is decided on it', async () => {
  await using lab = await startTestOperations({ as: 'aws' });
  lab.provider.world.set('x', { hostname: 'other', id: 'i-1', operationId: null });
  await lab.operations.orphans.look();
  lab.provider.script.listFails = true;
  const survey = await lab.operations.orphans.look();
  expect(survey).toMatchObject({
    items: [{ id: 'i-1' }],
    problem: expect.stringContaining('could not be asked') as unknown,
  });
  expect(await lab.operations.orphans.terminate('i-1', 'ada')).toMatchObject({ kind: 'refused' });
  expect(lab.provider.world.size).toBe(1);
});

/** A launch of the past, with how it ended. */
async function launchThat(db: TestOperations['db'], status: string): Promise<string> {
  const id = randomUUID();
  await db
    .insertInto('operations')
    .values({ id, kind: 'launch', status, requested_by: 'ada', num_vms: 1, ended_at: new Date() })
    .execute();
  return id;
}

test('ended by itself is only what an unfinished launch left: by its id, and never what a good launch made', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider({}, 'aws');
  const interrupted = await launchThat(database.db, 'interrupted');
  const good = await launchThat(database.db, 'succeeded');
  scripted.world.set('a', { hostname: 'left', id: 'i-left', operationId: interrupted });
  scripted.world.set('b', { hostname: 'stays', id: 'i-stays', operationId: good });
  await using lab = await startTestOperations({ on: database, scripted });
  expect(scripted.calls).toContain('terminate i-left');
  expect([...scripted.world.keys()]).toEqual(['b']);
  await vi.waitFor(() => {
    expect(lab.operations.orphans.seen().items).toMatchObject([{ id: 'i-stays' }]);
  }, WAIT);
});
