// Operations on the machines that an admin has selected, with a scripted provider and a real database.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { readOperationVms } from '../../src/db/operation-vms.ts';
import { reassign } from '../../src/db/vm-actions.ts';
import { listVmRows } from '../../src/db/vm-rows.ts';
import { fail } from '../../src/result.ts';
import type { SelectedRequest } from '../../src/provision/request-selected.ts';
import { startTestOperations, type TestOperations } from '../support/operations.ts';
import { CHANNEL, giveVm, insertFreeVms } from '../support/rows.ts';

const PEOPLE = ['ada', 'bob', 'eve'].map((name) => `${name}@example.org`);
const MACHINES = ['a', 'b', 'c'];

/** Ada has machine a, Bob b, Eve c. Returns the assignments. */
async function fill(lab: TestOperations, provider = 'local'): Promise<string[]> {
  const ids: string[] = [];
  for (const [index, hostname] of MACHINES.entries()) {
    await insertFreeVms(lab.db, [hostname]);
    ids.push((await giveVm(lab.db, PEOPLE[index]!)).id);
  }
  await sql`update vms set provider = ${provider}`.execute(lab.db);
  return ids;
}

const asked = (kind: SelectedRequest['kind'], assignmentIds: readonly string[]): SelectedRequest => ({
  kind,
  hostnames: MACHINES,
  assignmentIds,
  by: 'ada',
});

async function started(lab: TestOperations, request: SelectedRequest): Promise<string> {
  const answer = await lab.operations.actOnSelected(request);
  if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer));
  return answer.operation.id;
}

const results = async (lab: TestOperations, id: string) =>
  (await readOperationVms(lab.db, id)).map(({ hostname, state, detail }) => [hostname, state, detail]);
const audited = (lab: TestOperations, what: string) =>
  lab.db
    .selectFrom('audit_events')
    .select(['who', 'hostname', 'detail'])
    .where('what', '=', what)
    .where('hostname', 'is not', null)
    .orderBy('hostname')
    .execute();
const statuses = async (lab: TestOperations) => (await listVmRows(lab.db)).map(({ status }) => status);

/** Gives machine b to Mallory, after Bob was selected. */
async function giveToAnother(lab: TestOperations, id: string): Promise<void> {
  await lab.db
    .updateTable('assignments')
    .set({ released_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
  await sql`update vms set assignment_id = null where hostname = 'b'`.execute(lab.db);
  await giveVm(lab.db, 'mallory@example.org');
}

test('the selected machines are released in one operation, and the audit names everybody', async () => {
  await using lab = await startTestOperations();
  const id = await started(lab, asked('release', await fill(lab)));
  expect(await lab.ended(id)).toMatchObject({ status: 'succeeded', kind: 'release', done: 3, failed: 0 });
  expect(await results(lab, id)).toEqual(MACHINES.map((hostname) => [hostname, 'done', null]));
  expect(await statuses(lab)).toEqual(['recycling', 'recycling', 'recycling']);
  expect(await audited(lab, 'release')).toEqual(
    MACHINES.map((hostname, index) => ({ who: 'ada', hostname, detail: PEOPLE[index] })),
  );
  expect((await lab.texts(id)).join(' ')).toContain('bob@example.org');
});

test.each(['release', 'restart', 'destroy'] as const)(
  'a machine that somebody else got since it was selected is left as it is (%s)',
  async (kind) => {
    await using lab = await startTestOperations();
    const ids = await fill(lab, 'external');
    if (kind === 'restart') await sql`update vms set provider = 'local'`.execute(lab.db);
    await giveToAnother(lab, ids[1]!);
    const id = await started(lab, asked(kind, ids));
    expect(await lab.ended(id)).toMatchObject({
      status: 'failed',
      done: 2,
      failed: 1,
      problem: { kind: 'not_all' },
    });
    const refused = (await results(lab, id)).filter(([, state]) => state === 'failed');
    expect(refused).toEqual([['b', 'failed', expect.stringContaining('mallory@example.org') as string]]);
    const live = await lab.db
      .selectFrom('assignments as a')
      .innerJoin('vms as v', 'v.assignment_id', 'a.id')
      .select(['a.email', 'v.status', 'v.hostname'])
      .where('a.released_at', 'is', null)
      .where('v.hostname', '=', 'b')
      .execute();
    expect(live).toEqual([{ email: 'mallory@example.org', status: 'running', hostname: 'b' }]);
    expect((await audited(lab, kind)).map(({ hostname }) => hostname)).not.toContain('b');
  },
);

test('who was moved to another machine keeps it when the old one is released', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab);
  await insertFreeVms(lab.db, ['d']);
  await reassign(lab.db, {
    hostname: 'a',
    by: 'ada',
    releasedCopyId: crypto.randomUUID(),
    channel: CHANNEL,
    opening: null,
  });
  const id = await started(lab, asked('release', ids));
  await lab.ended(id);
  expect(await results(lab, id)).toContainEqual(['a', 'failed', 'The machine is not assigned.']);
  const live = await lab.db
    .selectFrom('assignments')
    .select(['hostname', 'email'])
    .where('released_at', 'is', null)
    .execute();
  expect(live).toEqual([{ hostname: 'd', email: 'ada@example.org' }]);
});

test('machines that cannot be restarted say why, keep their status, and the others restart', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab);
  await sql`update vms set provider = 'external' where hostname = 'c'`.execute(lab.db);
  await sql`update vms set status = 'destroying' where hostname = 'b'`.execute(lab.db);
  const id = await started(lab, asked('restart', ids));
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', done: 1, failed: 2 });
  expect(await results(lab, id)).toEqual([
    ['a', 'done', null],
    ['b', 'failed', 'The machine is being destroyed.'],
    ['c', 'failed', 'Machines of the provider external cannot be restarted from here.'],
  ]);
  expect(await statuses(lab)).toEqual(['initializing', 'destroying', 'running']);
  expect(await audited(lab, 'restart')).toEqual([{ who: 'ada', hostname: 'a', detail: 'ada@example.org' }]);
});

test('a restart that the provider refuses gives the machine its status back', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab);
  lab.provider.script.result = fail({ code: 'engine', message: 'The cloud said no.', remedy: 'Wait.' });
  const id = await started(lab, asked('restart', ids));
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', done: 0, failed: 3 });
  expect(await results(lab, id)).toContainEqual(['a', 'failed', 'The cloud said no. Wait.']);
  expect(await statuses(lab)).toEqual(['running', 'running', 'running']);
});

test('a destroy of some machines names their participants in the audit, and leaves the others', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab, 'external');
  const hostnames = ['a', 'c', 'nowhere'];
  const id = await started(lab, { ...asked('destroy', ids), hostnames });
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', done: 2, failed: 1 });
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['b']);
  expect(await results(lab, id)).toContainEqual(['nowhere', 'failed', 'There is no such machine any more.']);
  expect(await audited(lab, 'destroy')).toEqual([
    { who: 'ada', hostname: 'a', detail: 'ada@example.org' },
    { who: 'ada', hostname: 'c', detail: 'eve@example.org' },
  ]);
});

test('what was destroyed a moment ago is no failure of a second destroy', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab);
  expect(await lab.ended(await started(lab, asked('destroy', ids)))).toMatchObject({
    status: 'succeeded',
    done: 3,
  });
  const again = await started(lab, asked('destroy', ids));
  expect(await lab.ended(again)).toMatchObject({ status: 'succeeded', done: 3, failed: 0, total: 3 });
  expect(await results(lab, again)).toContainEqual(['a', 'destroyed', 'It had been destroyed before.']);
});

test('a second click with the same key is answered with the same operation, another request with it is refused', async () => {
  await using lab = await startTestOperations();
  const request = { ...asked('release', await fill(lab)), idempotencyKey: 'one-click' };
  const [one, other] = await Promise.all([
    lab.operations.actOnSelected(request),
    lab.operations.actOnSelected(request),
  ]);
  const kinds = [one.kind, other.kind].sort();
  expect(kinds).toEqual(['accepted', 'repeated']);
  if (!('operation' in one)) throw new Error('not accepted');
  await lab.ended(one.operation.id);
  expect(await lab.operations.actOnSelected(request)).toMatchObject({
    kind: 'repeated',
    operation: { id: one.operation.id },
  });
  expect(await lab.operations.actOnSelected({ ...request, hostnames: ['a'] })).toEqual({
    kind: 'key_reused',
  });
  expect(await audited(lab, 'release')).toHaveLength(3);
});

test('a release waits for no launch: it is refused with the operation that runs', async () => {
  await using lab = await startTestOperations({ script: { holdAfter: 0 } });
  const ids = await fill(lab);
  const { id } = await lab.launch(1);
  await lab.reached(id, 'running');
  expect(await lab.operations.actOnSelected(asked('release', ids))).toMatchObject({
    kind: 'busy',
    running: { id },
  });
  lab.provider.release();
  await lab.ended(id);
});

test('an unexpected failure begins with no further machine', async () => {
  await using lab = await startTestOperations();
  const hostnames = Array.from({ length: 40 }, (_, index) => `vm-${index}`);
  await insertFreeVms(lab.db, hostnames);
  const ids: string[] = [];
  for (const [index] of hostnames.entries()) ids.push((await giveVm(lab.db, `p${index}@example.org`)).id);
  await sql`create function fail() returns trigger language plpgsql as $$ begin raise 'no disk'; end $$`.execute(
    lab.db,
  );
  await sql`create trigger fail before update on operation_vms for each row when (new.state = 'done') execute function fail()`.execute(
    lab.db,
  );
  const id = await started(lab, { ...asked('release', ids), hostnames });
  expect(await lab.ended(id)).toMatchObject({ status: 'failed' });
  // What was still running would have gone on meanwhile.
  await lab.ended((await lab.launch(1)).id);
  const left = (await statuses(lab)).filter((status) => status === 'running');
  expect(left.length).toBeGreaterThanOrEqual(30);
});

test('a machine that was somebody else’s when machines were marked stays, also if it is released right after', async () => {
  await using lab = await startTestOperations();
  const ids = await fill(lab, 'external');
  // As if it had another participant in the moment of the marking only.
  await sql`create function skip() returns trigger language plpgsql as $$ begin return null; end $$`.execute(
    lab.db,
  );
  await sql`create trigger skip before update on vms for each row
    when (new.status = 'destroying' and new.hostname = 'b') execute function skip()`.execute(lab.db);
  const id = await started(lab, asked('destroy', ids));
  expect(await lab.ended(id)).toMatchObject({ status: 'failed', done: 2, failed: 1 });
  expect(await results(lab, id)).toContainEqual([
    'b',
    'failed',
    expect.stringContaining('has had it since') as string,
  ]);
  expect((await listVmRows(lab.db)).map(({ hostname }) => hostname)).toEqual(['b']);
});
