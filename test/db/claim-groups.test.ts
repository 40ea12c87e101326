// People who ask in the same moment are served by one statement. What they get is what they would get one after another.
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NotServed } from '../../src/async/groups.ts';
import { claim } from '../../src/db/claim.ts';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { readGroupSizes } from '../../src/db/grouped.ts';
import { requestVm, type VmRequestResult } from '../../src/db/request.ts';
import { createSettings } from '../../src/db/settings.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
afterEach(() => db.destroy());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  // Groups are counted for each pool.
  db = connectDatabase({
    connectionString: database.connectionString,
    poolSize: 5,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
  });
});

const WAIT = { timeout: 10_000 };
const ask = (name: string, parts: Parameters<typeof vmRequest>[1] = {}, signal?: AbortSignal) =>
  requestVm(db, vmRequest(`${name}@x.org`, parts), signal);
const given = (result: VmRequestResult) => ('hostname' in result ? result.hostname : result.kind);
const claimSizes = () => readGroupSizes([db]).find(({ name }) => name === 'claims');
const waitForLock = () =>
  expect
    .poll(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(database.db);
      return rows.length;
    }, WAIT)
    .toBeGreaterThan(0);

describe('a group of people', () => {
  test('those who come first get the free VMs, in the order in which VMs are given, and the others read that none is free', async () => {
    await insertFreeVms(db, ['a', 'b', 'c']);
    const results = await Promise.all(['p5', 'p4', 'p3', 'p2', 'p1'].map((name) => ask(name)));
    expect(results.map(given)).toEqual(['a', 'b', 'c', 'none_free', 'none_free']);
    expect(claimSizes()).toMatchObject({ groups: 2, items: 5, largest: 3, alone: 0, waiting: 0 });
    const rows = await db
      .selectFrom('vms as v')
      .innerJoin('assignments as a', 'a.id', 'v.assignment_id')
      .select(['v.hostname', 'a.hostname as assigned', 'a.email', 'a.pin', 'a.browsers', 'a.requested_from'])
      .orderBy('v.hostname')
      .execute();
    expect(rows.map(({ hostname, assigned, email }) => [hostname, assigned, email])).toEqual([
      ['a', 'a', 'p5@x.org'],
      ['b', 'b', 'p4@x.org'],
      ['c', 'c', 'p3@x.org'],
    ]);
    expect(rows[0]).toMatchObject({
      pin: '123456',
      browsers: ['browser of p5@x.org'],
      requested_from: '192.0.2.7',
    });
  });

  test('two hundred people are served by a few statements, each with a VM of their own', async () => {
    await insertFreeVms(db, vmNames(200));
    const results = await Promise.all(vmNames(200).map((name) => ask(name)));
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['assigned']));
    expect(new Set(results.map(given)).size).toBe(200);
    expect(claimSizes()).toMatchObject({ groups: 4, items: 200, largest: 64, alone: 0 });
  });

  test('only those get a VM whose settings still hold; who has one comes back to it in any case', async () => {
    await insertFreeVms(db, ['a', 'b', 'c']);
    await ask('has-one');
    const defaults = {
      title: null,
      instructions: null,
      contact: null,
      opensAt: null,
      closesAt: null,
      join: 'open',
      code: null,
    } as const;
    const settings = createSettings(db, defaults, () => 'CODE');
    await settings.read();
    const before = settings.known()?.version ?? null;
    expect(given(await ask('before', { settingsVersion: before }))).toBe('b');
    await settings.change({ title: 'Poses' }, 'ada');
    const now = settings.known()?.version ?? null;
    expect(now).not.toBe(before);
    const results = await Promise.all([
      ask('late', { settingsVersion: before }),
      ask('has-one', { settingsVersion: before }),
      ask('in-time', { settingsVersion: now }),
      ask('unchecked'),
    ]);
    expect(results.map(given)).toEqual(['outdated', 'a', 'c', 'none_free']);
    // The same settings as before are the same version.
    await settings.reset(['title'], 'ada');
    expect(settings.known()?.version).toBe(before);
  });

  test('the assignments of a group are one commit, which is also that of their notifications', async () => {
    await insertFreeVms(db, ['a', 'b', 'c', 'd']);
    await Promise.all(['p1', 'p2', 'p3', 'p4'].map((name) => ask(name)));
    expect(claimSizes()).toMatchObject({ groups: 2, largest: 2 });
    const { rows } = await sql<{
      transactions: number;
    }>`select count(distinct xmin::text)::int as transactions from assignments`.execute(database.db);
    expect(rows).toEqual([{ transactions: 2 }]);
  });

  test('requests of one e-mail in one moment get one VM, and nobody else loses a place by it', async () => {
    await insertFreeVms(db, ['a', 'b']);
    const results = await Promise.all([ask('ada'), ask('ada'), ask('bob'), ask('ada')]);
    expect(results.map(({ kind }) => kind)).toEqual(['assigned', 'returned', 'assigned', 'returned']);
    expect(results.map(given)).toEqual(['a', 'a', 'b', 'a']);
    expect(claimSizes()).toMatchObject({ groups: 3, items: 4, largest: 2, alone: 0 });
  });

  test('a person who has a VM returns to it beside others who get one', async () => {
    await insertFreeVms(db, ['a', 'b']);
    await giveVm(db, 'ada@x.org');
    const [bob, ada, eve] = await Promise.all([ask('bob'), ask('ada'), ask('eve')]);
    expect([bob, ada, eve].map(given)).toEqual(['b', 'a', 'none_free']);
    expect(ada).toMatchObject({ kind: 'returned' });
  });
});

describe('a locked VM', () => {
  test('the person for whom only a locked VM is left waits for it, and the others do not', async () => {
    await insertFreeVms(db, ['a', 'b']);
    const lock = await database.db.startTransaction().execute();
    await sql`update vms set in_use = true where hostname = 'a'`.execute(lock);
    const [first, second, third] = [ask('p1'), ask('p2'), ask('p3')];
    expect(given(await first)).toBe('b');
    await waitForLock();
    // A group is served meanwhile.
    await insertFreeVms(db, ['c']);
    expect(given(await ask('p4'))).toBe('c');
    await lock.commit().execute();
    expect(new Set((await Promise.all([second, third])).map(given))).toEqual(new Set(['a', 'none_free']));
  });
});

/** Gives the first VM, as another allocator that has not committed yet. */
async function giveInTransaction(trx: Db, email: string): Promise<void> {
  expect(await claim(trx, [vmRequest(email)], '')).toMatchObject([{ outcome: 'given', hostname: 'a' }]);
}

describe('a group that cannot be served as a whole', () => {
  test('a request that the database refuses fails alone, and the others of its group are served', async () => {
    await insertFreeVms(db, ['a', 'b', 'c']);
    const results = await Promise.allSettled([
      ask('p1'),
      ask('bad', { crdCommand: 'start-host \u0000' }),
      ask('p2'),
      ask('p3'),
    ]);
    expect(results.map((each) => (each.status === 'fulfilled' ? given(each.value) : each.status))).toEqual([
      expect.stringMatching(/^[abc]$/),
      'rejected',
      expect.stringMatching(/^[abc]$/),
      expect.stringMatching(/^[abc]$/),
    ]);
    expect(claimSizes()).toMatchObject({ groups: 3, items: 4, largest: 2, alone: 2 });
    expect(await db.selectFrom('assignments').select('email').orderBy('email').execute()).toEqual([
      { email: 'p1@x.org' },
      { email: 'p2@x.org' },
      { email: 'p3@x.org' },
    ]);
  });

  test('an e-mail that another allocator is serving does not hold up the others, and gets one VM', async () => {
    await insertFreeVms(db, ['a', 'b', 'c']);
    const other = await database.db.startTransaction().execute();
    await giveInTransaction(other, 'ada@x.org');
    const [ada, bob] = [ask('ada'), ask('bob')];
    expect(given(await bob)).toMatch(/^[bc]$/);
    await other.commit().execute();
    expect(await ada).toMatchObject({ kind: 'returned', hostname: 'a' });
    expect(await db.selectFrom('assignments').select('email').orderBy('email').execute()).toEqual([
      { email: 'ada@x.org' },
      { email: 'bob@x.org' },
    ]);
  });

  test('a client that left before its group began takes no VM', async () => {
    await insertFreeVms(db, ['a']);
    const left = new AbortController();
    const results = Promise.allSettled([ask('gone', {}, left.signal), ask('bob')]);
    left.abort();
    expect(await results).toMatchObject([
      { status: 'rejected', reason: expect.any(NotServed) as NotServed },
      { status: 'fulfilled', value: { kind: 'assigned', hostname: 'a' } },
    ]);
  });

  test('an outage fails the group at once, without trying each of it', async () => {
    await insertFreeVms(db, ['a']);
    await db.destroy();
    const results = await Promise.allSettled(['p1', 'p2', 'p3'].map((name) => ask(name)));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(claimSizes()).toMatchObject({ groups: 2, items: 3, largest: 2, alone: 0 });
  });
});

/** A small generator of numbers, so that a failure can be repeated by its seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

describe('compared with one after another', () => {
  test.each(Array.from({ length: 12 }, (_, index) => 7_000 + index))(
    'a random group on random VMs gets what its people get one after another (seed %i)',
    async (seed) => {
      const random = randomOf(seed);
      const oneOf = <T>(values: readonly [T, ...T[]]): T => values[random(values.length)] ?? values[0];
      const vms = Array.from({ length: 1 + random(10) }, (_, number) => ({
        hostname: `vm-${number}`,
        status: oneOf(['running', 'running', 'running', 'initializing', 'error', 'recycling']),
        gpu: oneOf([null, null, 'Healthy', 'Unhealthy']),
        seenSeconds: oneOf([null, 0, 600, 1_800]),
        waits: oneOf([true, false]),
      }));
      const people = Array.from({ length: 1 + random(14) }, () => `p${random(9)}`);
      const build = async (): Promise<void> => {
        await db.deleteFrom('vms').execute();
        for (const { hostname, status, gpu, seenSeconds, waits } of vms) {
          const vm = { hostname, provider: 'external', status, gpu_health: gpu };
          await db.insertInto('vms').values(vm).execute();
          if (seenSeconds !== null)
            await sql`insert into vm_presence (hostname, last_seen_at, waiting_until, available)
              values (${hostname}, now() - make_interval(secs => ${seenSeconds}),
                case when ${waits} then now() + make_interval(secs => 30 - ${seenSeconds}) end, ${waits})`.execute(
              db,
            );
        }
      };
      const results = async (asked: Promise<VmRequestResult[]>) =>
        (await asked).map((result) => [result.kind, given(result)]);

      await build();
      const inTurn: VmRequestResult[] = [];
      for (const name of people) inTurn.push(await ask(name));
      await build();
      const together = await results(Promise.all(people.map((name) => ask(name))));
      expect(together).toEqual(await results(Promise.resolve(inTurn)));
      expect(claimSizes()?.alone).toBe(0);
    },
  );
});
