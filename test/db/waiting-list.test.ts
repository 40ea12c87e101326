// The waiting list in the database: who gets which VM, and what random groups of people do to it.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { joinList, type Joining } from '../../src/db/joining.ts';
import { requestVm } from '../../src/db/request.ts';
import { forgetPlaces, reserveVms, type Sweep } from '../../src/db/reservations.ts';
import { changePlace, findPlace, leaveList, listPlaces } from '../../src/db/waiting-list.ts';
import { readWaitFacts } from '../../src/db/waiting-facts.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';

let database: TestDatabase;
let db: TestDatabase['db'];
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => emptyTables(db));

const OPEN: Sweep = { open: true, until: null };
const emailOf = (name: string) => `${name}@x.org`;

async function join(name: string, parts: Partial<Joining> = {}): Promise<string> {
  const result = await joinList(db, {
    id: crypto.randomUUID(),
    email: emailOf(name),
    browserId: `browser of ${emailOf(name)}`,
    code: '111111',
    givenCode: null,
    codeWaitSeconds: 0,
    perBrowser: 0,
    ...parts,
  });
  if (!('id' in result)) throw new Error(`expected a place, got ${result.kind}`);
  return result.id;
}
const sleeps = (id: string) =>
  sql`update waiting_presence set present_at = now() - interval '91 seconds' where id = ${id}`.execute(db);
const runOut = () => sql`update vms set reserved_until = now() where reserved_for is not null`.execute(db);
const order = async () => (await listPlaces(db)).map(({ email }) => email.split('@')[0]);
/** Who has which VM reserved. */
const held = async (): Promise<Record<string, string>> => {
  const places = await listPlaces(db);
  const pairs = places.flatMap(({ email, reservedVm }): [string, string][] =>
    reservedVm === null ? [] : [[email.split('@')[0] ?? '', reservedVm]],
  );
  return Object.fromEntries(pairs);
};
const ask = (name: string, parts: Parameters<typeof vmRequest>[1] = {}) =>
  requestVm(db, vmRequest(emailOf(name), parts));

describe('a free VM', () => {
  test('is reserved for the first person who is present; who sleeps keeps the place and is skipped', async () => {
    const [ada] = [await join('ada'), await join('bob'), await join('eve')];
    await sleeps(ada);
    await insertFreeVms(db, ['a']);
    expect(await reserveVms(db, OPEN)).toHaveLength(1);
    expect(await held()).toEqual({ bob: 'a' });
    expect(await order()).toEqual(['ada', 'bob', 'eve']);
    expect((await findPlace(db, ada))?.ahead).toBe(0);
  });

  test('is not given to anybody who comes later while somebody waits, and is once everybody has one reserved', async () => {
    await join('ada');
    await insertFreeVms(db, ['a', 'b']);
    expect(await ask('late')).toEqual({ kind: 'none_free' });
    await reserveVms(db, OPEN);
    expect(await ask('late')).toMatchObject({ kind: 'assigned', hostname: 'b' });
    expect(await ask('later')).toEqual({ kind: 'none_free' });
    expect(await ask('ada')).toMatchObject({ kind: 'assigned', hostname: 'a' });
    expect(await order()).toEqual([]);
  });

  test('is reserved for the browsers of the place only', async () => {
    await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    expect(await ask('ada', { browserId: 'stranger' })).toEqual({ kind: 'none_free' });
    expect(await ask('ada')).toMatchObject({ kind: 'assigned', hostname: 'a' });
  });

  test('that is locked by a report is waited for by the person for whom it is reserved', async () => {
    await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    const lock = await database.db.startTransaction().execute();
    await sql`update vms set in_use = true where hostname = 'a'`.execute(lock);
    const asked = ask('ada');
    await expect
      .poll(async () => {
        const { rows } = await sql`select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
        return rows.length;
      })
      .toBeGreaterThan(0);
    await lock.commit().execute();
    expect(await asked).toMatchObject({ kind: 'assigned', hostname: 'a' });
  });

  test('is not reserved when it shuts down before the reservation would end, nor while nothing can be claimed', async () => {
    await join('ada');
    await insertFreeVms(db, ['a']);
    await sql`update vms set shutdown_at = now() + interval '2 minutes'`.execute(db);
    expect(await reserveVms(db, OPEN)).toEqual([]);
    await sql`update vms set shutdown_at = null`.execute(db);
    expect(await reserveVms(db, { open: false, until: null })).toEqual([]);
    expect(await reserveVms(db, OPEN)).toHaveLength(1);
  });
});

describe('a reservation', () => {
  test('lasts three minutes, and not longer than the lab is open', async () => {
    const ada = await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    const until = (await findPlace(db, ada))?.reservedUntil?.getTime() ?? 0;
    expect(until - Date.now()).toBeGreaterThan(170_000);
    expect(until - Date.now()).toBeLessThan(181_000);
    await reserveVms(db, { open: false, until: null });
    expect(await held()).toEqual({});
    const closing = new Date(Date.now() + 30_000);
    await reserveVms(db, { open: true, until: closing });
    expect((await findPlace(db, ada))?.reservedUntil).toEqual(closing);
  });

  test('that is not used goes to the next person; the one who missed it stays first once, and then leaves', async () => {
    const [ada] = [await join('ada'), await join('bob')];
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    await runOut();
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({ bob: 'a' });
    expect(await order()).toEqual(['ada', 'bob']);
    await insertFreeVms(db, ['b']);
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({ ada: 'b', bob: 'a' });
    await sql`update vms set reserved_until = now() where hostname = 'b'`.execute(db);
    await reserveVms(db, OPEN);
    expect(await findPlace(db, ada)).toMatchObject({ state: 'left', leftReason: 'missed', missed: 2 });
    expect(await held()).toEqual({ bob: 'a' });
    // The way back is at the end.
    await join('eve');
    expect(await join('ada')).toBe(ada);
    expect(await order()).toEqual(['bob', 'eve', 'ada']);
  });

  test('is offered once more to the only person who waits', async () => {
    await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    await runOut();
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({});
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({ ada: 'a' });
  });

  test('ends without blame when its VM fails, is destroyed or was assigned by an older program', async () => {
    for (const harm of [
      `update vms set status = 'error'`,
      `delete from vms`,
      `insert into assignments (id, hostname, email, crd_command, pin) values ('${crypto.randomUUID()}', 'a', 'o@x.org', 'c', '123456');
       update vms set assignment_id = (select id from assignments)`,
    ]) {
      await emptyTables(db);
      const ada = await join('ada');
      await insertFreeVms(db, ['a']);
      await reserveVms(db, OPEN);
      for (const statement of harm.split(';')) await sql.raw(statement).execute(db);
      await reserveVms(db, OPEN);
      expect(await findPlace(db, ada)).toMatchObject({ state: 'waiting', missed: 0 });
      const { rows } = await sql`select from vms where reserved_for is not null`.execute(db);
      expect(rows).toEqual([]);
    }
  });

  test('a VM of somebody who leaves is free for the next one', async () => {
    const ada = await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    await join('bob');
    await leaveList(db, ada);
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({ bob: 'a' });
  });
});

describe('an admin', () => {
  const by = 'admin';
  test('moves places, and each move is audited', async () => {
    const [, bob, eve] = [await join('ada'), await join('bob'), await join('eve')];
    const move = (id: string, to: 'first' | 'up' | 'down' | 'last') =>
      changePlace(db, { id, by }, { kind: 'move', to });
    await move(eve, 'up');
    expect(await order()).toEqual(['ada', 'eve', 'bob']);
    await move(bob, 'first');
    expect(await order()).toEqual(['bob', 'ada', 'eve']);
    await move(bob, 'down');
    expect(await order()).toEqual(['ada', 'bob', 'eve']);
    await move(bob, 'last');
    await join('zoe');
    expect(await order()).toEqual(['ada', 'eve', 'bob', 'zoe']);
    await move(bob, 'last');
    expect(await order()).toEqual(['ada', 'eve', 'zoe', 'bob']);
    const { rows } = await sql<{
      what: string;
      detail: string;
    }>`select what, detail from audit_events order by id`.execute(db);
    expect(rows[0]).toEqual({ what: 'waiting-move', detail: 'eve@x.org: up' });
    expect(rows).toHaveLength(5);
  });

  test('calls somebody: the next VM is theirs, present or not', async () => {
    const [, bob] = [await join('ada'), await join('bob')];
    await sleeps(bob);
    expect(await changePlace(db, { id: bob, by }, { kind: 'call' })).toBe(true);
    expect(await order()).toEqual(['bob', 'ada']);
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    expect(await held()).toEqual({ bob: 'a' });
  });

  test('removes somebody, whose VM is free then, and who reads that', async () => {
    const ada = await join('ada');
    await insertFreeVms(db, ['a']);
    await reserveVms(db, OPEN);
    expect(await changePlace(db, { id: ada, by }, { kind: 'remove' })).toBe(true);
    expect(await changePlace(db, { id: ada, by }, { kind: 'remove' })).toBe(false);
    expect(await findPlace(db, ada)).toMatchObject({ state: 'left', leftReason: 'removed' });
    expect(await ask('late')).toMatchObject({ kind: 'assigned', hostname: 'a' });
  });
});

test('places that nobody has asked about for half a day are forgotten', async () => {
  const ada = await join('ada');
  await join('bob');
  await sql`update waiting_list set since = now() - interval '1 day'`.execute(db);
  await sql`update waiting_presence set present_at = now() - interval '13 hours' where id = ${ada}`.execute(
    db,
  );
  await forgetPlaces(db);
  expect(await order()).toEqual(['bob']);
});

test('waits are estimated from the launch that runs and from the releases of the last half hour', async () => {
  expect(await readWaitFacts(db)).toEqual({ launch: null, secondsPerRelease: null });
  await sql`insert into assignment_changes (at, hostname, kind)
    select now() - make_interval(secs => s), 'a', 'released' from unnest(array[1500, 1200, 1100, 3600]) as s`.execute(
    db,
  );
  expect((await readWaitFacts(db)).secondsPerRelease).toBeCloseTo(200, 0);
  await sql`insert into operations (id, kind, status, requested_by, num_vms, requested_at)
    values (gen_random_uuid(), 'launch', 'queued', 'admin', 5, now() - interval '1 minute')`.execute(db);
  await insertFreeVms(db, vmNames(2));
  await sql`insert into vm_timings (hostname, provisioning_seconds, cloud_init_seconds, container_seconds)
    select hostname, 100, 50, 30 from vms`.execute(db);
  const { launch } = await readWaitFacts(db);
  expect(launch).toMatchObject({ starting: 5, startSeconds: 180 });
  expect(launch?.runningSeconds).toBeCloseTo(60, 0);
});

test('an e-mail that has a VM already returns to it, whatever is on the list', async () => {
  await insertFreeVms(db, ['a']);
  await giveVm(db, emailOf('ada'));
  await join('bob');
  expect(await ask('ada')).toMatchObject({ kind: 'returned', hostname: 'a' });
});

test('somebody who joined while another tab got a machine leaves the list with the next sweep, and holds up nobody', async () => {
  await insertFreeVms(db, ['a', 'b']);
  expect(await ask('ada')).toMatchObject({ kind: 'assigned' });
  await join('ada');
  expect(await ask('bob')).toEqual({ kind: 'none_free' });
  expect(await reserveVms(db, OPEN)).toEqual([]);
  expect(await order()).toEqual([]);
  expect(await ask('bob')).toMatchObject({ kind: 'assigned' });
});
