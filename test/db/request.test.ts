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
  test('of 22 on 22 free machines is given 22 different ones', async () => {
    await insertFreeVms(db, vmNames(22));
    const results = await Promise.all(vmNames(22).map((name) => requestVm(db, vmRequest(`${name}@x.org`))));
    expect(new Set(results.map((result) => result.kind))).toEqual(new Set(['assigned']));
    expect(new Set(results.map((result) => 'hostname' in result && result.hostname)).size).toBe(22);
    expect(await countFree(db)).toBe(0);
  });

  test('of 100 on 40 free machines gives 40 different ones and 60 are told that none is free', async () => {
    await insertFreeVms(db, vmNames(40));
    const results = await Promise.all(vmNames(100).map((name) => requestVm(db, vmRequest(`${name}@x.org`))));
    const given = results.flatMap((result) => ('hostname' in result ? [result.hostname] : []));
    expect(given).toHaveLength(40);
    expect(new Set(given).size).toBe(40);
    expect(results.filter((result) => result.kind === 'none_free')).toHaveLength(60);
  });

  test('of one e-mail sending at once is given one machine', async () => {
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
  test('whose row is merely locked is waited for, not told to be taken', async () => {
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

  test('that is taken under the eyes of one who waits for its lock is not given twice', async () => {
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

  test('whose agent waits is preferred, then one that was seen lately, then any', async () => {
    await insertFreeVms(db, ['a-silent', 'b-seen', 'c-waiting']);
    await sql`insert into vm_presence (hostname, waiting_until) values ('b-seen', null), ('c-waiting', now() + interval '30 s')`.execute(
      db,
    );
    expect((await giveVm(db, 'one@x.org')).hostname).toBe('c-waiting');
    expect((await giveVm(db, 'two@x.org')).hostname).toBe('b-seen');
    expect((await giveVm(db, 'three@x.org')).hostname).toBe('a-silent');
  });

  test('with an unhealthy GPU is given only when no other is free', async () => {
    await insertFreeVms(db, ['a-sick', 'b-unknown']);
    await sql`update vms set gpu_health = 'Unhealthy' where hostname = 'a-sick'`.execute(db);
    expect((await giveVm(db, 'one@x.org')).hostname).toBe('b-unknown');
    expect((await giveVm(db, 'two@x.org')).hostname).toBe('a-sick');
  });

  test.each(['initializing', 'error', 'unreachable', 'recycling', 'destroying'])(
    'that is %s is none',
    async (status) => {
      await db.insertInto('vms').values({ hostname: 'x', provider: 'external', status }).execute();
      expect(await requestVm(db, vmRequest('ada@x.org'))).toEqual({ kind: 'none_free' });
    },
  );
});

describe('coming back', () => {
  test('from the same browser gives the same machine and PIN, and changes nothing', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org', { pin: '111111' });
    const before = await db.selectFrom('assignments').selectAll().execute();
    const again = await giveVm(db, 'ada@x.org', { pin: '222222' });
    expect(again).toEqual({ ...first, kind: 'returned' });
    expect(await db.selectFrom('assignments').selectAll().execute()).toEqual(before);
  });

  test('works when nothing is free any more', async () => {
    await insertFreeVms(db, ['only']);
    const first = await giveVm(db, 'ada@x.org');
    expect(await giveVm(db, 'ada@x.org')).toEqual({ ...first, kind: 'returned' });
  });

  test('with a new command sends it to the same machine, and delivery begins anew', async () => {
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

  test('from another browser needs the PIN, and names no machine', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org', { pin: '111111' });
    const orphan = { browserId: 'another', crdCommand: 'start-host --code="4/0Aevil"' };
    expect(await requestVm(db, vmRequest('ada@x.org', orphan))).toEqual({ kind: 'pin_required' });
    expect(await requestVm(db, vmRequest('ada@x.org', { ...orphan, givenPin: '222222' }))).toEqual({
      kind: 'pin_wrong',
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
    expect(await giveVm(db, 'ada@x.org', { browserId: 'another' })).toEqual({ ...first, kind: 'returned' });
    expect(await giveVm(db, 'ada@x.org')).toEqual({ ...first, kind: 'returned' });
  });

  test('with wrong PINs is locked after five of them, even when they come at once, and for the right one too', async () => {
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

  test('after a release is asking anew', async () => {
    await insertFreeVms(db, vmNames(2));
    const first = await giveVm(db, 'ada@x.org');
    await sql`update assignments set released_at = now()`.execute(db);
    const second = await giveVm(db, 'ada@x.org');
    expect(second).toMatchObject({ kind: 'assigned' });
    expect(second.hostname).not.toBe(first.hostname);
  });
});
