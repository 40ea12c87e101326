import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { takeDelivery } from '../../src/db/delivery.ts';
import { pendingRecycle, recordRecycled, releaseAssignment } from '../../src/db/recycling.ts';
import { reportStatus } from '../../src/db/reports.ts';
import { requestVm } from '../../src/db/request.ts';
import { findVm } from '../../src/db/vms.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmRequest } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  await database.db.deleteFrom('tombstones').execute();
});

const CODE_LIFETIME_SECONDS = 600;
const recycled = (assignmentId: string | null) =>
  recordRecycled(database.db, { hostname: 'a', assignmentId });
const status = async () => (await findVm(database.db, 'a'))?.status;

describe('a released assignment', () => {
  test('a release makes the VM recycling: no command is delivered, and it is not assigned', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    expect(await releaseAssignment(database.db, id)).toBe('released');
    expect(await status()).toBe('recycling');
    expect(await takeDelivery(database.db, 'a', CODE_LIFETIME_SECONDS)).toBeNull();
    expect(await requestVm(database.db, vmRequest('bob@x.org'))).toEqual({ kind: 'none_free' });
    expect(await requestVm(database.db, vmRequest('ada@x.org'))).toEqual({ kind: 'none_free' });
  });

  test('a second release changes nothing, also when the VM has a new participant', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await releaseAssignment(database.db, id);
    const released = await database.db
      .selectFrom('assignments')
      .select('released_at')
      .executeTakeFirstOrThrow();
    expect(await releaseAssignment(database.db, id)).toBe('released');
    await recycled(id);
    const next = await giveVm(database.db, 'bob@x.org');
    expect(await releaseAssignment(database.db, id)).toBe('released');
    expect(await findVm(database.db, 'a')).toMatchObject({ status: 'running', assignment: { id: next.id } });
    const first = database.db.selectFrom('assignments').select('released_at').where('id', '=', id);
    expect(await first.executeTakeFirstOrThrow()).toEqual(released);
  });

  test('a release does not stop the destruction of its VM', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await database.db.updateTable('vms').set({ status: 'destroying' }).execute();
    await releaseAssignment(database.db, id);
    expect(await status()).toBe('destroying');
    expect(await pendingRecycle(database.db, 'a')).toBeNull();
  });

  test('the release of an unknown assignment is reported as unknown', async () => {
    expect(await releaseAssignment(database.db, crypto.randomUUID())).toBe('unknown');
  });
});

describe('recycling', () => {
  test('a reset frees the VM, and a repeated report changes nothing', async () => {
    await insertFreeVms(database.db, ['a']);
    expect(await pendingRecycle(database.db, 'a')).toBeNull();
    const { id } = await giveVm(database.db, 'ada@x.org');
    expect(await pendingRecycle(database.db, 'a')).toBeNull();
    await releaseAssignment(database.db, id);
    expect(await pendingRecycle(database.db, 'a')).toEqual({ assignmentId: id });
    expect(await recycled(id)).toBe('recorded');
    expect(await findVm(database.db, 'a')).toMatchObject({ status: 'running', assignment: null });
    expect(await recycled(id)).toBe('recorded');
    expect(await pendingRecycle(database.db, 'a')).toBeNull();
    expect((await giveVm(database.db, 'bob@x.org')).hostname).toBe('a');
  });

  test('a reset is rejected while the VM is assigned', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    expect(await recycled(null)).toBe('refused');
    expect(await recycled(id)).toBe('refused');
    expect(await findVm(database.db, 'a')).toMatchObject({ status: 'running', assignment: { id } });
  });

  test('a late reset report for one participant does not free a VM with files of another', async () => {
    await insertFreeVms(database.db, ['a']);
    const first = await giveVm(database.db, 'ada@x.org');
    await releaseAssignment(database.db, first.id);
    await recycled(first.id);
    const second = await giveVm(database.db, 'bob@x.org');
    await releaseAssignment(database.db, second.id);
    expect(await recycled(first.id)).toBe('refused');
    expect(await status()).toBe('recycling');
    expect(await recycled(second.id)).toBe('recorded');
  });

  test('a failed reset is an error, is requested again, and keeps the VM unassigned', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await releaseAssignment(database.db, id);
    const report = (reported: 'error' | 'running') =>
      reportStatus(database.db, { hostname: 'a', status: reported, provider: 'external' });
    await report('running');
    expect(await status()).toBe('recycling');
    await report('error');
    expect(await status()).toBe('error');
    await report('running');
    expect(await requestVm(database.db, vmRequest('bob@x.org'))).toEqual({ kind: 'none_free' });
    expect(await pendingRecycle(database.db, 'a')).toEqual({ assignmentId: id });
    expect(await recycled(id)).toBe('recorded');
    expect((await giveVm(database.db, 'bob@x.org')).hostname).toBe('a');
  });

  test('a reset of an unknown VM is rejected, and of a destroyed VM ignored', async () => {
    expect(await recycled(null)).toBe('unknown_vm');
    await database.db.insertInto('tombstones').values({ hostname: 'a' }).execute();
    expect(await recycled(null)).toBe('late');
  });

  test('twenty simultaneous reset reports of one VM free it for one participant', async () => {
    await insertFreeVms(database.db, ['a']);
    const { id } = await giveVm(database.db, 'ada@x.org');
    await releaseAssignment(database.db, id);
    const told = Array.from({ length: 20 }, () => recycled(id));
    const asked = Array.from({ length: 5 }, (_, person) =>
      requestVm(database.db, vmRequest(`person${person}@x.org`)),
    );
    const results = await Promise.all(told);
    await Promise.all(asked);
    const last = await requestVm(database.db, vmRequest('last@x.org'));
    const live = database.db.selectFrom('assignments').select('id').where('released_at', 'is', null);
    expect(await live.execute()).toHaveLength(1);
    expect(results).toContain('recorded');
    expect(['assigned', 'none_free']).toContain(last.kind);
  });
});
