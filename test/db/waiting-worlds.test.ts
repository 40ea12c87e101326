// The waiting list in the database compared with its model, in random histories; and a crowd that does everything at once.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { joinList } from '../../src/db/joining.ts';
import { requestVm } from '../../src/db/request.ts';
import { reserveVms } from '../../src/db/reservations.ts';
import { changePlace, findPlaceOfBrowser, leaveList, listPlaces } from '../../src/db/waiting-list.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createDraw } from '../support/draw.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';
import { drawStep, type Step } from '../support/waiting-history.ts';
import { WaitingModel } from '../support/waiting-model.ts';
import { findViolations, watchReservations } from '../support/waiting-watch.ts';

let database: TestDatabase;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => emptyTables(db));

const OPEN = { open: true, until: null };
const emailOf = (name: string) => `${name}@x.org`;
const browserOf = (name: string) => `browser of ${emailOf(name)}`;
const join = (on: Db, name: string) =>
  joinList(on, {
    id: crypto.randomUUID(),
    email: emailOf(name),
    browserId: browserOf(name),
    code: '111111',
    givenCode: null,
    codeWaitSeconds: 0,
    perBrowser: 0,
  });

/** Carries the step out in the database and in the model. */
async function take(model: WaitingModel, step: Step): Promise<void> {
  switch (step.kind) {
    case 'join':
      if (await hasVm(step.name)) return;
      await join(db, step.name);
      model.join(step.name);
      return;
    case 'claim': {
      if (await hasVm(step.name)) return;
      const result = await requestVm(db, vmRequest(emailOf(step.name)));
      expect('hostname' in result ? result.hostname : null).toBe(model.claim(step.name));
      return;
    }
    case 'leave': {
      const place = await findPlaceOfBrowser(db, browserOf(step.name));
      if (place) await leaveList(db, place.id);
      model.leave(step.name);
      return;
    }
    case 'call': {
      const place = await findPlaceOfBrowser(db, browserOf(step.name));
      if (place) await changePlace(db, { id: place.id, by: 'admin' }, { kind: 'call' });
      model.call(step.name);
      return;
    }
    case 'add':
      await add(model, step.vm);
      return;
    case 'release':
      await sql`delete from assignments where hostname = ${step.vm}`.execute(db);
      model.release(step.vm);
      return;
    case 'pass':
      await sql`update waiting_presence set present_at = present_at - make_interval(secs => ${step.seconds})`.execute(
        db,
      );
      await sql`update waiting_list set called_at = called_at - make_interval(secs => ${step.seconds})`.execute(
        db,
      );
      await sql`update vms set reserved_until = reserved_until - make_interval(secs => ${step.seconds})`.execute(
        db,
      );
      model.now += step.seconds;
      return;
    case 'sweep':
      await reserveVms(db, OPEN);
      model.sweep();
      return;
  }
}

async function add(model: WaitingModel, vm: string): Promise<void> {
  if (model.machines.has(vm)) return;
  await insertFreeVms(db, [vm]);
  model.addVm(vm);
}

async function hasVm(name: string): Promise<boolean> {
  const row = await db
    .selectFrom('assignments')
    .select('id')
    .where('email', '=', emailOf(name))
    .executeTakeFirst();
  return row !== undefined;
}

/** Everybody on the list with the VM that is reserved for them. */
async function readList(): Promise<[string, string | null][]> {
  return (await listPlaces(db)).map(({ email, reservedVm }) => [email.split('@')[0] ?? '', reservedVm]);
}
const byName = (one: [string, string | null], other: [string, string | null]) => (one[0] < other[0] ? -1 : 1);

test.each(Array.from({ length: 12 }, (_, index) => 300 + index))(
  'a random history of the list is the same in the database and in the model (seed %i)',
  async (seed) => {
    const draw = createDraw(seed);
    const model = new WaitingModel();
    const past: Step[] = [];
    for (let count = 0; count < 50; count++) {
      const step = drawStep(draw);
      past.push(step);
      await take(model, step);
      const expected = model.order().map(({ name, vm }): [string, string | null] => [name, vm]);
      expect((await readList()).sort(byName), JSON.stringify(past)).toEqual(expected.sort(byName));
    }
  },
);

test('while people join, submit forms, miss their turn and leave, and three allocators sweep at once, nobody is passed and no VM is reserved twice', async () => {
  await watchReservations(db);
  const pools = Array.from({ length: 3 }, () =>
    connectDatabase({
      connectionString: database.connectionString,
      poolSize: 4,
      applicationName: 'lablink test',
      onIdleError: () => undefined,
    }),
  );
  await insertFreeVms(db, vmNames(6));
  const draw = createDraw(11);
  const people = Array.from({ length: 40 }, (_, index) => `p${index}`);
  const act = async (on: Db): Promise<void> => {
    const name = people[draw.below(people.length)] ?? 'p0';
    const what = draw.below(10);
    if (what < 3) await join(on, name);
    else if (what < 6) await requestVm(on, vmRequest(emailOf(name)));
    else if (what < 7)
      await sql`update vms set reserved_until = now() where reserved_for is not null`.execute(on);
    else if (what < 8) await sql`delete from assignments where email = ${emailOf(name)}`.execute(on);
    else await reserveVms(on, OPEN);
  };
  try {
    const runners = pools.flatMap((pool) => [pool, pool, pool]);
    await Promise.all(
      runners.map(async (pool) => {
        for (let count = 0; count < 40; count++) await act(pool);
      }),
    );
    expect(await findViolations(db)).toEqual({ order: 0, double: 0 });
    const { rows } = await sql<{
      reservations: number;
    }>`select count(*)::int as reservations from watched_reservations`.execute(db);
    expect(rows[0]?.reservations).toBeGreaterThan(5);
  } finally {
    await Promise.all(pools.map((pool) => pool.destroy()));
  }
});
