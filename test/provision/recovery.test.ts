import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { planOperationVms, readOperationVms } from '../../src/db/operation-vms.ts';
import { insertOperation } from '../../src/db/operations.ts';
import { reportStatus } from '../../src/db/reports.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { shortIntervals, startTestOperations, WAIT, type TestOperations } from '../support/operations.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm } from '../support/rows.ts';

/** An operation whose server died while it ran: its lease has not expired yet. */
async function insertAbandonedOperation(
  db: TestDatabase['db'],
  kind: 'launch' | 'destroy',
  leaseMs = 60_000,
): Promise<string> {
  const id = crypto.randomUUID();
  await insertOperation(db, { id, kind, requestedBy: 'ada', numVms: kind === 'launch' ? 3 : null });
  await db
    .updateTable('operations')
    .set({
      status: 'running',
      started_at: sql<Date>`now()`,
      lease_owner: 'another process',
      lease_until: sql<Date>`now() + make_interval(secs => ${leaseMs / 1_000})`,
      total: 3,
    })
    .where('id', '=', id)
    .execute();
  return id;
}

async function insertMachine(
  { db }: Pick<TestOperations, 'db'>,
  hostname: string,
  more: { operationId: string; status?: string },
): Promise<void> {
  const { operationId, status = 'initializing' } = more;
  await db
    .insertInto('vms')
    .values({ hostname, provider: 'local', status, operation_id: operationId })
    .execute();
}

test('a launch whose server was killed is interrupted, and what was half done is cleaned up', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await insertAbandonedOperation(db, 'launch');
  await insertMachine({ db }, 'made', { operationId: id });
  await insertMachine({ db }, 'not-made', { operationId: id });
  await planOperationVms(db, id, ['made', 'not-made']);
  const scripted = createScriptedProvider();
  scripted.machines.set('made', { hostname: 'made', operationId: id, ssh: { sshPort: 2299 } });
  scripted.machines.set('orphan', { hostname: 'orphan', operationId: id });
  scripted.machines.set('unknown', { hostname: 'unknown', operationId: crypto.randomUUID() });
  await using lab = await startTestOperations({ on: database, scripted });
  const operation = await lab.ended(id);
  expect(operation).toMatchObject({ status: 'interrupted', done: 1, problem: { kind: 'interrupted' } });
  expect(await listVmRows(db)).toMatchObject([{ hostname: 'made' }]);
  expect(await readOperationVms(db, id)).toMatchObject([
    { hostname: 'made', state: 'created', detail: null },
    { hostname: 'not-made', state: 'failed', detail: 'The server stopped before this machine was created.' },
  ]);
  expect([...scripted.machines.keys()]).toEqual(['made', 'unknown']);
  expect(await lab.texts(id)).toEqual([
    'Was not created; its row was removed.',
    'Was left by an unfinished launch; it was destroyed.',
    'This machine exists but is not in the list; it is kept.',
    'The server stopped during the operation; what was half done was cleaned up. Look at the machines; launch or destroy again as needed.',
  ]);
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded' });
  expect(scripted.machines.size).toBe(0);
});

test('a launch whose server was killed while it waited for its first machine has ended, and the machine stays usable', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await insertAbandonedOperation(db, 'launch');
  await insertMachine({ db }, 'first', { operationId: id });
  const scripted = createScriptedProvider();
  scripted.machines.set('first', { hostname: 'first', operationId: id });
  await using lab = await startTestOperations({ on: database, scripted });
  expect(await lab.ended(id)).toMatchObject({ status: 'interrupted', done: 1, failed: 0, total: 3 });
  expect(await reportStatus(db, { hostname: 'first', status: 'running', provider: 'external' })).toBe(
    'recorded',
  );
  await giveVm(db, 'ada@example.org');
  expect(await lab.ended((await lab.launch(2)).id)).toMatchObject({ status: 'succeeded' });
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded', done: 3 });
});

test('a destroy whose server was killed is interrupted, and the remaining machines get their status back', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const scripted = createScriptedProvider();
  {
    await using before = await startTestOperations({ on: database, scripted });
    await before.ended((await before.launch(2)).id);
    await giveVmOn(before, 'lab-vm-test-2');
  }
  const id = await insertAbandonedOperation(db, 'destroy');
  await db
    .updateTable('vms')
    .set({ status_before_destroy: sql<string>`status`, status: 'destroying' })
    .execute();
  await planOperationVms(db, id, ['lab-vm-test-1', 'lab-vm-test-2']);
  scripted.machines.delete('lab-vm-test-1');
  await using lab = await startTestOperations({ on: database, scripted });
  expect(await lab.ended(id)).toMatchObject({ status: 'interrupted' });
  expect(await readOperationVms(db, id)).toMatchObject([{ state: 'destroyed' }, { state: 'created' }]);
  expect(await listVmRows(db)).toMatchObject([
    { hostname: 'lab-vm-test-2', status: 'running', email: 'ada@example.org' },
  ]);
  expect(await lab.ended((await lab.destroy()).id)).toMatchObject({ status: 'succeeded' });
});

async function giveVmOn({ db }: TestOperations, hostname: string): Promise<void> {
  await db.updateTable('vms').set({ status: 'running' }).where('hostname', '=', hostname).execute();
  await giveVm(db, 'ada@example.org');
}

test('if several servers share a database, an operation is interrupted only after its lease has expired', async () => {
  await using database = await createTestDatabase();
  const id = await insertAbandonedOperation(database.db, 'launch', 3_000);
  await using lab = await startTestOperations({ on: database, alone: false });
  expect(await lab.operations.launch({ numVms: 1, by: 'grace' })).toMatchObject({
    kind: 'busy',
    running: { id },
  });
  const operation = await lab.ended(id);
  expect(operation.status).toBe('interrupted');
  expect(Number(operation.endedAt) - Number(operation.startedAt)).toBeGreaterThanOrEqual(3_000);
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
});

test('a run that lost its lease writes nothing more', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 1, stopsOn: 'force' }, alone: false });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  await lab.db
    .updateTable('operations')
    .set({ status: 'interrupted', ended_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
  await vi.waitFor(
    () => expect(lab.operations.cancel(id, 'ada')).resolves.toMatchObject({ kind: 'finished' }),
    WAIT,
  );
  lab.provider.release();
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
  expect(await lab.reached(id, 'interrupted')).toMatchObject({ problem: null });
});

test('a server that stops during a launch cancels it and marks it as interrupted', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider({ holdAfter: 1 });
  const lab = await startTestOperations({ on: database, scripted });
  const { id } = await lab.launch(3);
  await vi.waitFor(() => expect(scripted.machines.size).toBe(1), WAIT);
  await lab[Symbol.asyncDispose]();
  expect(await lab.reached(id, 'interrupted')).toMatchObject({ done: 1, problem: { kind: 'interrupted' } });
  expect(await listVmRows(database.db)).toMatchObject([{ hostname: 'lab-vm-test-1' }]);
  expect(scripted.calls).toEqual(['start', 'launch', 'stop']);
});

test('a launch that was queued when the server was killed is run by the next server', async () => {
  await using database = await createTestDatabase();
  const id = crypto.randomUUID();
  await insertOperation(database.db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  await using lab = await startTestOperations({ on: database });
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 1 });
});

/** As of a request whose job was lost. */
async function insertQueued({ db }: TestDatabase): Promise<string> {
  const id = crypto.randomUUID();
  await insertOperation(db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  return id;
}

test('a launch whose job was lost, or is held up by one of a killed server, is run by the server that is there', async () => {
  await using database = await createTestDatabase();
  await using lab = await startTestOperations({ on: database });
  const launched = await lab.ended((await lab.launch(1)).id);
  expect(await lab.ended(await insertQueued(database))).toMatchObject({ status: 'succeeded' });

  // As after the end of an operation whose server was killed before its job was ended.
  await sql`update lablink_queue.job set state = 'active', completed_on = null, heartbeat_on = now() - interval '31 seconds'
    where id = ${launched.id}`.execute(database.db);
  expect(await lab.ended(await insertQueued(database))).toMatchObject({ status: 'succeeded' });
});

test('a launch whose job another server holds, which may be busy, is left to it while that server lives', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider();
  const looks = vi.fn(() => scripted.list());
  await using lab = await startTestOperations({
    ...{ on: database, alone: false, provider: { ...scripted, list: looks } },
    intervals: { ...shortIntervals, reconcileMs: 100 },
  });
  const job = await lab.ended((await lab.launch(1)).id);
  const state = () =>
    sql<{ state: string }>`select state from lablink_queue.job where id = ${job.id}`.execute(database.db);
  // The job ends after the operation.
  await vi.waitFor(async () => expect((await state()).rows).toEqual([{ state: 'completed' }]), WAIT);
  const hold = (age: string) =>
    sql`update lablink_queue.job set state = 'active', completed_on = null, heartbeat_on = now() - ${age}::interval
      where id = ${job.id}`.execute(database.db);
  await hold('1 second');
  const id = await insertQueued(database);
  await sql`update operations set requested_at = now() - interval '1 minute' where id = ${id}`.execute(
    database.db,
  );
  looks.mockClear();
  await vi.waitFor(() => expect(looks.mock.calls.length).toBeGreaterThan(5), WAIT);
  expect(await lab.reached(id, 'queued')).toMatchObject({ startedAt: null });
  await hold('31 seconds');
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded' });
});

test('a server that was killed and started again, alone, runs at once what its last job held up', async () => {
  await using database = await createTestDatabase();
  const id = await insertQueued(database);
  {
    await using before = await startTestOperations({ on: database });
    await before.ended(id);
  }
  await sql`update lablink_queue.job set state = 'active', completed_on = null, heartbeat_on = now() where id = ${id}`.execute(
    database.db,
  );
  await sql`update operations set status = 'queued', started_at = null, ended_at = null`.execute(database.db);
  await using lab = await startTestOperations({ on: database });
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded' });
});

test('a launch that stayed in the queue too long is not run', async () => {
  await using database = await createTestDatabase();
  const id = crypto.randomUUID();
  await insertOperation(database.db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  await database.db
    .updateTable('operations')
    .set({ requested_at: sql<Date>`now() - interval '1 hour'` })
    .execute();
  await using lab = await startTestOperations({ on: database });
  expect(await lab.ended(id)).toMatchObject({ status: 'interrupted', startedAt: null });
  expect(lab.provider.calls).toEqual(['start']);
});

test('at start, an assigned machine that no longer exists becomes unreachable and keeps its participant', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider();
  {
    await using before = await startTestOperations({ on: database, scripted });
    await before.ended((await before.launch(2)).id);
    await giveVmOn(before, 'lab-vm-test-1');
  }
  scripted.machines.clear();
  await using lab = await startTestOperations({ on: database, scripted });
  expect(await listVmRows(database.db)).toMatchObject([
    { hostname: 'lab-vm-test-1', status: 'unreachable', email: 'ada@example.org' },
  ]);
  expect(lab.warnings).toContain('This machine no longer exists; its participant needs another one.');
});

test('at start, rows get the current addresses of their machines', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider();
  {
    await using before = await startTestOperations({ on: database, scripted });
    await before.ended((await before.launch(1)).id);
  }
  const [machine] = scripted.machines.values();
  if (machine) scripted.machines.set(machine.hostname, { ...machine, ssh: { sshPort: 4444 } });
  await using again = await startTestOperations({ on: database, scripted });
  expect(again.warnings).toEqual([]);
  const row = await database.db.selectFrom('vms').select(['ssh_port', 'address']).executeTakeFirst();
  expect(row).toEqual({ ssh_port: 4444, address: '127.0.0.1' });
});

test('the server starts although the provider is away', async () => {
  await using lab = await startTestOperations({ script: { listFails: true } });
  expect(lab.warnings.join('\n')).toContain('the provider does not answer');
  lab.provider.script.listFails = false;
  expect(await lab.ended((await lab.launch(1)).id)).toMatchObject({ status: 'succeeded' });
});

test('a launch survives an outage of the database', async () => {
  await using lab = await startTestOperations({
    script: { holdAfter: 1 },
    intervals: { ...shortIntervals, leaseMs: 20_000 },
  });
  const { id } = await lab.launch(2);
  await vi.waitFor(() => expect(lab.provider.machines.size).toBe(1), WAIT);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(lab.db);
  lab.provider.release();
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', done: 2 });
});

test('if the provider cannot start, the server does not start and leaves nothing open', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider();
  scripted.start = () => Promise.reject(new Error('no room'));
  await expect(startTestOperations({ on: database, scripted })).rejects.toThrow('no room');
  expect(scripted.calls).toEqual(['stop']);
});

test('two servers that share a database run one operation at a time, and each can cancel it', async () => {
  await using database = await createTestDatabase();
  const scripted = createScriptedProvider({ holdAfter: 0 });
  await using one = await startTestOperations({ on: database, scripted, alone: false });
  await using two = await startTestOperations({ on: database, scripted, alone: false });
  const { id } = await one.launch(1);
  await one.reached(id, 'running');
  expect(await two.operations.launch({ numVms: 1, by: 'grace' })).toMatchObject({
    kind: 'busy',
    running: { id },
  });
  // Either server may be the one that runs it.
  expect((await two.operations.cancel(id, 'grace')).kind).toBe('requested');
  expect(await two.ended(id)).toMatchObject({ status: 'cancelled' });
  scripted.release();
  expect(await two.ended((await two.launch(2)).id)).toMatchObject({ status: 'succeeded', done: 2 });
  expect(scripted.calls.filter((call) => call === 'launch')).toHaveLength(2);
});
