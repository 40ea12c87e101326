import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requestVm } from '../../src/db/request.ts';
import { countFree } from '../../src/db/vms.ts';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await createTestDatabase();
  // As many connections as there are people in the crowds below.
  db = connectDatabase({
    connectionString: database.connectionString,
    poolSize: 30,
    applicationName: 'crowd',
    onIdleError: () => undefined,
  });
});
afterAll(async () => {
  await db.destroy();
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await db.deleteFrom('vms').execute();
});

describe('a crowd', () => {
  test('22 requests for 22 free VMs receive 22 different VMs', async () => {
    await insertFreeVms(db, vmNames(22));
    const results = await Promise.all(vmNames(22).map((name) => requestVm(db, vmRequest(`${name}@x.org`))));
    expect(new Set(results.map((result) => result.kind))).toEqual(new Set(['assigned']));
    expect(new Set(results.map((result) => 'hostname' in result && result.hostname)).size).toBe(22);
    expect(await countFree(db)).toBe(0);
  });

  test('100 requests for 40 free VMs receive 40 different VMs and 60 times none_free', async () => {
    await insertFreeVms(db, vmNames(40));
    const results = await Promise.all(vmNames(100).map((name) => requestVm(db, vmRequest(`${name}@x.org`))));
    const given = results.flatMap((result) => ('hostname' in result ? [result.hostname] : []));
    expect(given).toHaveLength(40);
    expect(new Set(given).size).toBe(40);
    expect(results.filter((result) => result.kind === 'none_free')).toHaveLength(60);
  });

  test('simultaneous requests of one e-mail receive one VM', async () => {
    await insertFreeVms(db, vmNames(10));
    const results = await Promise.all(
      Array.from({ length: 20 }, () => requestVm(db, vmRequest('ada@x.org', { browserId: 'one' }))),
    );
    expect(new Set(results.map((result) => 'hostname' in result && result.hostname)).size).toBe(1);
    expect(results.filter((result) => result.kind === 'assigned')).toHaveLength(1);
    expect(results.filter((result) => result.kind === 'returned')).toHaveLength(19);
    expect(await countFree(db)).toBe(9);
  });
});

describe('a free machine', () => {
  test('a request waits for a free VM whose row is locked, and does not return none_free', async () => {
    await insertFreeVms(db, ['only']);
    const lock = await db.startTransaction().execute();
    await sql`update vms set in_use = true where hostname = 'only'`.execute(lock);
    const asked = requestVm(db, vmRequest('ada@x.org'));
    await expect
      .poll(async () => {
        const { rows } = await sql`select from pg_stat_activity where wait_event_type = 'Lock'`.execute(db);
        return rows.length;
      })
      .toBe(1);
    await lock.commit().execute();
    expect(await asked).toMatchObject({ kind: 'assigned', hostname: 'only' });
  });

  test('a VM that is claimed while another claim waits for its lock is not assigned twice', async () => {
    await insertFreeVms(db, ['only']);
    const lock = await db.startTransaction().execute();
    await sql`update vms set status = 'error' where hostname = 'only'`.execute(lock);
    const asked = requestVm(db, vmRequest('ada@x.org'));
    await expect
      .poll(
        async () =>
          (await sql`select from pg_stat_activity where wait_event_type = 'Lock'`.execute(db)).rows.length,
      )
      .toBe(1);
    await lock.commit().execute();
    expect(await asked).toEqual({ kind: 'none_free' });
  });

  test('a claim prefers a VM whose agent waits, then a recently seen VM, then any', async () => {
    await insertFreeVms(db, ['a-silent', 'b-seen', 'c-waiting']);
    await sql`insert into vm_presence (hostname, waiting_until, available)
      values ('b-seen', null, false), ('c-waiting', now() + interval '30 s', true)`.execute(db);
    expect((await giveVm(db, 'one@x.org')).hostname).toBe('c-waiting');
    expect((await giveVm(db, 'two@x.org')).hostname).toBe('b-seen');
    expect((await giveVm(db, 'three@x.org')).hostname).toBe('a-silent');
  });

  test('a VM with an unhealthy GPU is assigned only if no other VM is free', async () => {
    await insertFreeVms(db, ['a-sick', 'b-unknown']);
    await sql`update vms set gpu_health = 'Unhealthy' where hostname = 'a-sick'`.execute(db);
    expect((await giveVm(db, 'one@x.org')).hostname).toBe('b-unknown');
    expect((await giveVm(db, 'two@x.org')).hostname).toBe('a-sick');
  });

  test.each(['initializing', 'error', 'unreachable', 'recycling', 'destroying'])(
    'a VM with the status %s is not free',
    async (status) => {
      await db.insertInto('vms').values({ hostname: 'x', provider: 'external', status }).execute();
      expect(await requestVm(db, vmRequest('ada@x.org'))).toEqual({ kind: 'none_free' });
    },
  );
});

describe('coming back', () => {
  test('a second request from the same browser returns the same VM and PIN, and changes nothing', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org', { pin: '111111' });
    const before = await db.selectFrom('assignments').selectAll().execute();
    const again = await giveVm(db, 'ada@x.org', { pin: '222222' });
    expect(again).toMatchObject({ ...first, kind: 'returned' });
    expect(await db.selectFrom('assignments').selectAll().execute()).toEqual(before);
  });

  test('a participant can return when no VM is free', async () => {
    await insertFreeVms(db, ['only']);
    const first = await giveVm(db, 'ada@x.org');
    expect(await giveVm(db, 'ada@x.org')).toMatchObject({ ...first, kind: 'returned' });
  });

  test('a new command goes to the same VM, and its delivery starts again', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org');
    await sql`update assignments set delivered_at = now(), acknowledged_at = now(), outcome = 'failed'`.execute(
      db,
    );
    const again = await giveVm(db, 'ada@x.org', { crdCommand: 'start-host --code="4/0Atwo"' });
    expect(again.hostname).toBe(first.hostname);
    const row = await db.selectFrom('assignments').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({
      crd_command: 'start-host --code="4/0Atwo"',
      command_number: 2,
      delivered_at: null,
      acknowledged_at: null,
      outcome: null,
    });
  });

  test('a request from another browser needs the PIN, and the answer names no VM', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org', { pin: '111111' });
    const orphan = { browserId: 'another', crdCommand: 'start-host --code="4/0Aevil"' };
    expect(await requestVm(db, vmRequest('ada@x.org', orphan))).toEqual({ kind: 'pin_required' });
    expect(await requestVm(db, vmRequest('ada@x.org', { ...orphan, givenPin: '222222' }))).toEqual({
      kind: 'pin_wrong',
      triesLeft: 4,
    });
    const row = await db
      .selectFrom('assignments')
      .select(['crd_command', 'browsers'])
      .executeTakeFirstOrThrow();
    expect(row).toEqual({ crd_command: 'start-host --code="4/0Aone"', browsers: ['browser of ada@x.org'] });
    expect(await giveVm(db, 'ada@x.org', { browserId: 'another', givenPin: '111111' })).toEqual({
      ...first,
      kind: 'returned',
    });
    expect(await giveVm(db, 'ada@x.org', { browserId: 'another' })).toMatchObject({
      ...first,
      kind: 'returned',
    });
    expect(await giveVm(db, 'ada@x.org')).toMatchObject({ ...first, kind: 'returned' });
  });

  test('five wrong PINs lock the assignment, also for the right PIN and for simultaneous attempts', async () => {
    await insertFreeVms(db, vmNames(1));
    await giveVm(db, 'ada@x.org', { pin: '111111' });
    const guess = (pin: string) =>
      requestVm(db, vmRequest('ada@x.org', { browserId: 'another', givenPin: pin }));
    const guesses = await Promise.all(Array.from({ length: 12 }, (_, index) => guess(`00000${index % 10}`)));
    expect(guesses.filter(({ kind }) => kind === 'pin_wrong')).toHaveLength(4);
    expect(guesses.filter(({ kind }) => kind === 'pin_locked')).toHaveLength(8);
    expect(await guess('111111')).toMatchObject({
      kind: 'pin_locked',
      retryAfterSeconds: expect.any(Number) as number,
    });
    expect(await giveVm(db, 'ada@x.org')).toMatchObject({ kind: 'returned' });
    await sql`update assignments set pin_locked_until = now()`.execute(db);
    expect(await guess('111111')).toMatchObject({ kind: 'returned' });
  });

  test('a request after a release is a new request', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org');
    await sql`update assignments set released_at = now()`.execute(db);
    const second = await giveVm(db, 'ada@x.org');
    expect(second).toMatchObject({ kind: 'assigned' });
    expect(second.hostname).not.toBe(first.hostname);
  });
});
