// After an outage of the database no lease is current, for nobody could renew one. People are given machines that waited.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { endWaiting, leaseWaiting } from '../../src/db/delivery.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, giveVm, insertFreeVms } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
});

const ALLOCATOR = crypto.randomUUID();

/** As if so much time had passed without a renewal. */
async function letLeasesAge(seconds: number): Promise<void> {
  await sql`update vm_presence set waiting_until = waiting_until - make_interval(secs => ${seconds}),
    last_seen_at = last_seen_at - make_interval(secs => ${seconds})`.execute(database.db);
}

const wait = (hostnames: readonly string[]) =>
  leaseWaiting(
    database.db,
    hostnames.map((hostname) => ({ hostname, confirms: true })),
    { seconds: 35, allocator: ALLOCATOR, channel: CHANNEL },
  );
const seenNow = (hostname: string) =>
  sql`insert into vm_presence (hostname, last_seen_at) values (${hostname}, now())
    on conflict (hostname) do update set last_seen_at = now()`.execute(database.db);

test('when all leases have run out, the machines that waited last are given first', async () => {
  const dead = ['a-dead-1', 'a-dead-2', 'a-dead-3'];
  const waiting = ['w-1', 'w-2', 'w-3'];
  await insertFreeVms(database.db, [...dead, ...waiting]);
  await wait(waiting);
  await letLeasesAge(60);
  for (const hostname of dead) await seenNow(hostname);
  const given = [];
  for (const name of ['ada', 'bob', 'eve']) given.push((await giveVm(database.db, `${name}@x.org`)).hostname);
  expect(given.toSorted()).toEqual(waiting);
});

test('a machine whose agent left before the outage does not count as waiting', async () => {
  await insertFreeVms(database.db, ['a-left', 'w-1']);
  await wait(['a-left', 'w-1']);
  await endWaiting(database.db, ['a-left'], ALLOCATOR);
  await letLeasesAge(60);
  expect((await giveVm(database.db, 'ada@x.org')).hostname).toBe('w-1');
});

test('a lease that ran out while others were renewed does not count', async () => {
  await insertFreeVms(database.db, ['a-silent', 'w-1']);
  await wait(['a-silent']);
  await letLeasesAge(60);
  await wait(['w-1']);
  expect((await giveVm(database.db, 'ada@x.org')).hostname).toBe('w-1');
});

test('leases of long ago say nothing: the machine that was seen last is given', async () => {
  await insertFreeVms(database.db, ['a-old', 'b-new']);
  await wait(['a-old']);
  await letLeasesAge(7_200);
  await seenNow('b-new');
  expect((await giveVm(database.db, 'ada@x.org')).hostname).toBe('b-new');
});
