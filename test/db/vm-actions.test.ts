import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { beginRestart, reassign, allowBrowser, markHealthy, undoRestart } from '../../src/db/vm-actions.ts';
import { takeDelivery } from '../../src/db/delivery.ts';
import { recordOutcome } from '../../src/db/outcomes.ts';
import { pendingRecycle, recordRecycled, releaseAssignment } from '../../src/db/recycling.ts';
import { reportStatus } from '../../src/db/reports.ts';
import { requestVm } from '../../src/db/request.ts';
import { readTimeline } from '../../src/db/vm-timeline.ts';
import { findVm, findVms } from '../../src/db/vms.ts';
import { assignmentState } from '../../src/vms/assignment.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  await database.db.deleteFrom('audit_events').execute();
});

const LIFETIME_SECONDS = 600;
const OPENING = { pin: '654321', windowSeconds: 600 };
const doing = (hostname: string) => ({ hostname, by: 'grace' });
const move = (hostname: string) =>
  reassign(database.db, {
    ...doing(hostname),
    releasedCopyId: crypto.randomUUID(),
    channel: CHANNEL,
    opening: null,
  });
const find = async (hostname: string) => {
  const vm = await findVm(database.db, hostname);
  if (!vm) throw new Error(`there is no ${hostname}`);
  return vm;
};
const stateOf = async (hostname: string) => {
  const { assignment } = await find(hostname);
  return assignment && assignmentState(assignment, new Date(), LIFETIME_SECONDS * 1_000);
};
const setStatus = (hostname: string, status: string) =>
  database.db.updateTable('vms').set({ status }).where('hostname', '=', hostname).execute();
const audited = async () =>
  database.db
    .selectFrom('audit_events')
    .select(['who', 'what', 'detail', 'hostname'])
    .orderBy('id')
    .execute();

describe('allow-browser', () => {
  test('after allow-browser, one new browser needs no PIN and stays allowed', async () => {
    await insertFreeVms(database.db, ['a']);
    await giveVm(database.db, 'ada@x.org');
    expect(await allowBrowser(database.db, doing('a'), OPENING)).toMatchObject({ email: 'ada@x.org' });
    const phone = vmRequest('ada@x.org', { browserId: 'phone' });
    expect(await requestVm(database.db, phone)).toMatchObject({ kind: 'returned', hostname: 'a' });
    expect(await requestVm(database.db, phone)).toMatchObject({ kind: 'returned' });
    expect(await requestVm(database.db, vmRequest('ada@x.org', { browserId: 'an orphan' }))).toEqual({
      kind: 'pin_required',
    });
    expect(await audited()).toEqual([
      {
        who: 'grace',
        what: 'allow-browser',
        detail: 'ada@x.org; 1 browser has lost access, requested from 192.0.2.7',
        hostname: 'a',
      },
    ]);
  });

  test('allow-browser ends after its window, and lifts a lock after wrong PINs', async () => {
    await insertFreeVms(database.db, ['a']);
    await giveVm(database.db, 'ada@x.org');
    await allowBrowser(database.db, doing('a'), { ...OPENING, windowSeconds: 0 });
    const phone = vmRequest('ada@x.org', { browserId: 'phone' });
    expect(await requestVm(database.db, phone)).toEqual({ kind: 'pin_required' });
    for (let wrong = 0; wrong < 5; wrong++) await requestVm(database.db, { ...phone, givenPin: '000000' });
    expect(await requestVm(database.db, { ...phone, givenPin: '654321' })).toMatchObject({
      kind: 'pin_locked',
    });
    await allowBrowser(database.db, doing('a'), OPENING);
    expect(await requestVm(database.db, phone)).toMatchObject({ kind: 'returned' });
  });

  test('allow-browser does nothing on a VM that is not assigned', async () => {
    await insertFreeVms(database.db, ['a']);
    expect(await allowBrowser(database.db, doing('a'), OPENING)).toBeNull();
    expect(await audited()).toEqual([]);
  });
});

describe('reassign', () => {
  test('reassign moves the assignment with its PIN and browsers; the old VM is reset, then free', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id, pin } = await giveVm(database.db, 'ada@x.org');
    await takeDelivery(database.db, 'a', LIFETIME_SECONDS);
    await insertFreeVms(database.db, ['b']);
    expect(await move('a')).toEqual({ kind: 'moved', email: 'ada@x.org', to: 'b' });
    expect(await find('b')).toMatchObject({ status: 'running', assignment: { id, pin, email: 'ada@x.org' } });
    const old = await find('a');
    expect(old).toMatchObject({ status: 'recycling', assignment: { email: 'ada@x.org' } });
    const remains = old.assignment?.id ?? null;
    expect(await pendingRecycle(database.db, 'a')).toEqual({ assignmentId: remains });
    expect(await requestVm(database.db, vmRequest('bob@x.org'))).toEqual({ kind: 'none_free' });
    await recordRecycled(database.db, { hostname: 'a', assignmentId: remains });
    expect(await giveVm(database.db, 'bob@x.org')).toMatchObject({ hostname: 'a' });
    expect((await audited()).map(({ what, hostname }) => [what, hostname])).toEqual([
      ['reassign', 'a'],
      ['reassign', 'b'],
    ]);
  });

  test('reassign requires a new command if the old VM fetched the command, and never delivers the used one', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await takeDelivery(database.db, 'a', LIFETIME_SECONDS);
    await recordOutcome(database.db, {
      assignmentId: id,
      hostname: 'a',
      outcome: 'registered',
      commandNumber: 1,
      message: null,
    });
    await insertFreeVms(database.db, ['b']);
    await move('a');
    expect(await stateOf('b')).toBe('expired');
    expect(await takeDelivery(database.db, 'b', LIFETIME_SECONDS)).toBeNull();
    const again = vmRequest('ada@x.org', { crdCommand: 'start-host --code="4/0Afresh"' });
    expect(await requestVm(database.db, again)).toMatchObject({ kind: 'returned', hostname: 'b' });
    expect(await stateOf('b')).toBe('waiting');
    expect(await takeDelivery(database.db, 'b', LIFETIME_SECONDS)).toMatchObject({
      assignmentId: id,
      command: 'start-host --code="4/0Afresh"',
    });
  });

  test('reassign delivers a command that the old VM has not fetched to the new VM', async () => {
    await insertFreeVms(database.db, ['a']);
    await giveVm(database.db, 'ada@x.org');
    await insertFreeVms(database.db, ['b']);
    await move('a');
    expect(await stateOf('b')).toBe('waiting');
    expect(await takeDelivery(database.db, 'b', LIFETIME_SECONDS)).toMatchObject({ pin: '123456' });
  });

  test.each(['error', 'unreachable'])(
    'reassign leaves a VM with the status %s as it is, with the files to delete',
    async (status) => {
      await insertFreeVms(database.db, ['a']);
      await giveVm(database.db, 'ada@x.org');
      await setStatus('a', status);
      await insertFreeVms(database.db, ['b']);
      await move('a');
      expect(await find('a')).toMatchObject({ status });
      await reportStatus(database.db, { hostname: 'a', status: 'running', provider: 'external' });
      expect(await requestVm(database.db, vmRequest('bob@x.org'))).toEqual({ kind: 'none_free' });
      expect(await pendingRecycle(database.db, 'a')).not.toBeNull();
    },
  );

  test('reassign changes nothing if no VM is free or the VM is not assigned', async () => {
    await insertFreeVms(database.db, ['a']);
    expect(await move('a')).toEqual({ kind: 'not_assigned' });
    expect(await move('nobody')).toEqual({ kind: 'not_assigned' });
    const { id } = await giveVm(database.db, 'ada@x.org');
    expect(await move('a')).toEqual({ kind: 'none_free' });
    expect(await find('a')).toMatchObject({ status: 'running', assignment: { id, releasedAt: null } });
    expect(await audited()).toEqual([]);
  });

  test('twenty reassignments during requests leave one VM per participant and one participant per VM', async () => {
    await insertFreeVms(database.db, vmNames(20));
    for (let person = 0; person < 20; person++) await giveVm(database.db, `person${person}@x.org`);
    await insertFreeVms(
      database.db,
      Array.from({ length: 25 }, (_, index) => `spare-${index + 1}`),
    );
    const moves = vmNames(20).map(move);
    const asks = Array.from({ length: 5 }, (_, index) =>
      requestVm(database.db, vmRequest(`late${index}@x.org`)),
    );
    const moved = await Promise.all(moves);
    await Promise.all(asks);
    expect(moved.filter(({ kind }) => kind === 'not_assigned')).toEqual([]);
    const live = await database.db
      .selectFrom('assignments')
      .select(['hostname', 'email', 'id'])
      .where('released_at', 'is', null)
      .execute();
    expect(new Set(live.map(({ hostname }) => hostname)).size).toBe(live.length);
    expect(new Set(live.map(({ email }) => email)).size).toBe(25);
    const vms = await findVms(
      database.db,
      live.map(({ hostname }) => hostname),
    );
    for (const { hostname, id } of live)
      expect(vms.find((vm) => vm.hostname === hostname)?.assignment?.id).toBe(id);
  });
});

describe('mark-healthy', () => {
  test('mark-healthy clears an error and a GPU warning; a second call changes and records nothing', async () => {
    await insertFreeVms(database.db, ['a']);
    await database.db.updateTable('vms').set({ status: 'error', gpu_health: 'Unhealthy' }).execute();
    expect(await markHealthy(database.db, doing('a'))).toBe(true);
    expect(await find('a')).toMatchObject({ status: 'running', gpuHealth: null });
    const { revision } = await database.db.selectFrom('vms').select('revision').executeTakeFirstOrThrow();
    expect(await markHealthy(database.db, doing('a'))).toBe(true);
    expect(await database.db.selectFrom('vms').select('revision').executeTakeFirst()).toEqual({ revision });
    expect(await audited()).toMatchObject([{ what: 'mark-healthy', detail: 'error, GPU' }]);
    expect(await markHealthy(database.db, doing('nobody'))).toBe(false);
  });

  test("mark-healthy does not free a VM that has a participant's files", async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await releaseAssignment(database.db, id, 'grace');
    await setStatus('a', 'error');
    await markHealthy(database.db, doing('a'));
    expect(await find('a')).toMatchObject({ status: 'recycling', assignment: { id } });
  });

  test('mark-healthy leaves a healthy GPU and a starting VM as they are', async () => {
    await insertFreeVms(database.db, ['a']);
    await database.db.updateTable('vms').set({ status: 'initializing', gpu_health: 'Healthy' }).execute();
    await markHealthy(database.db, doing('a'));
    expect(await find('a')).toMatchObject({ status: 'initializing', gpuHealth: 'Healthy' });
  });
});

describe('restart', () => {
  test('a restart makes the VM initializing, and is undone if it fails', async () => {
    await insertFreeVms(database.db, ['a']);
    expect(await beginRestart(database.db, doing('a'))).toEqual({ status: 'running' });
    expect(await find('a')).toMatchObject({ status: 'initializing' });
    await undoRestart(database.db, 'a', 'running');
    expect(await find('a')).toMatchObject({ status: 'running' });
  });

  test('a restart keeps the status recycling, and does not touch a VM that is being destroyed', async () => {
    await insertFreeVms(database.db, ['a']);
    await setStatus('a', 'recycling');
    expect(await beginRestart(database.db, doing('a'))).toEqual({ status: 'recycling' });
    expect(await find('a')).toMatchObject({ status: 'recycling' });
    await setStatus('a', 'destroying');
    expect(await beginRestart(database.db, doing('a'))).toBeNull();
    expect(await beginRestart(database.db, doing('nobody'))).toBeNull();
  });
});

describe('timeline', () => {
  test('the timeline contains statuses, assignments and actions, newest first', async () => {
    await reportStatus(database.db, { hostname: 'a', status: 'initializing', provider: 'external' });
    await reportStatus(database.db, { hostname: 'a', status: 'running', provider: 'external' });
    await reportStatus(database.db, { hostname: 'a', status: 'running', provider: 'external' });
    const { id } = await giveVm(database.db, 'ada@x.org');
    await takeDelivery(database.db, 'a', LIFETIME_SECONDS);
    await releaseAssignment(database.db, id, 'grace');
    const told = (await readTimeline(database.db, 'a')).map(({ kind, what }) => `${kind} ${what}`);
    expect(told.toSorted()).toEqual([
      'action release',
      'assignment assigned',
      'assignment delivered',
      'assignment released',
      'status initializing',
      'status recycling',
      'status running',
    ]);
    expect(told.indexOf('status running')).toBeLessThan(told.indexOf('status initializing'));
    expect(await audited()).toMatchObject([
      { who: 'grace', what: 'release', detail: 'ada@x.org', hostname: 'a' },
    ]);
  });

  test('the timeline keeps the newest 200 statuses of a VM', async () => {
    await insertFreeVms(database.db, ['a', 'b']);
    await sql`do $$ begin for i in 1..150 loop
      update vms set status = 'error' where hostname = 'a';
      update vms set status = 'running' where hostname = 'a';
    end loop; end $$`.execute(database.db);
    const count = async (hostname: string) =>
      (await database.db.selectFrom('vm_events').select('id').where('hostname', '=', hostname).execute())
        .length;
    expect([await count('a'), await count('b')]).toEqual([200, 1]);
  });
});
