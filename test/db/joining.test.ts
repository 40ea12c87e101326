// Joining the waiting list: one place for each e-mail, in the order in which people come; and what their pages write.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readGroupSizes } from '../../src/db/grouped.ts';
import { joinList, returnToPlace, type Joining } from '../../src/db/joining.ts';
import { findPlace, findPlaceOfBrowser, listPlaces } from '../../src/db/waiting-list.ts';
import { notePresence } from '../../src/db/waiting-presence.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';

let database: TestDatabase;
let db: TestDatabase['db'];
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => emptyTables(db));

const emailOf = (name: string) => `${name}@x.org`;
const joining = (name: string): Joining => ({
  id: crypto.randomUUID(),
  email: emailOf(name),
  browserId: `browser of ${emailOf(name)}`,
  code: '111111',
  givenCode: null,
  codeWaitSeconds: 0,
  perBrowser: 0,
});
async function join(name: string): Promise<string> {
  const result = await joinList(db, joining(name));
  if (!('id' in result)) throw new Error(`expected a place, got ${result.kind}`);
  return result.id;
}
const order = async () => (await listPlaces(db)).map(({ email }) => email.split('@')[0]);

test('an e-mail has one place: a reload and a second tab leave it where it is', async () => {
  const ada = await join('ada');
  await join('bob');
  expect(await join('ada')).toBe(ada);
  expect(await order()).toEqual(['ada', 'bob']);
});

test('twenty joins of one e-mail in the same moment make one place', async () => {
  const ids = await Promise.all(Array.from({ length: 20 }, () => join('ada')));
  expect(new Set(ids).size).toBe(1);
  expect(await order()).toEqual(['ada']);
});

test('those who join in one moment are few statements, and stand in the order in which they came', async () => {
  await join('ada');
  const names = Array.from({ length: 40 }, (_, number) => `p${40 - number}`);
  await Promise.all([...names, 'ada'].map((name) => join(name)));
  expect(await order()).toEqual(['ada', ...names]);
  expect(readGroupSizes([db]).find(({ name }) => name === 'waiting list')?.largest).toBeGreaterThan(30);
});

test('a new place is what is read of it afterwards, so that it need not be read', async () => {
  await join('ada');
  const joined = await Promise.all(
    [{ ...joining('bea'), wantsMail: true }, joining('cem')].map((each) => joinList(db, each)),
  );
  for (const one of joined) {
    if (one.kind !== 'joined') throw new Error(`expected a new place, got ${one.kind}`);
    expect(one.place).toEqual(await findPlace(db, one.id));
  }
  expect(joined.map((one) => one.kind === 'joined' && one.place?.ahead)).toEqual([1, 2]);
  await insertFreeVms(db, vmNames(1));
  // Then it may be reserved for it at once.
  expect(await joinList(db, joining('dee'))).not.toHaveProperty('place');
});

test('a second device opens the same place with the code, and learns nothing without it', async () => {
  const ada = await join('ada');
  const device = { email: emailOf('ada'), browserId: 'phone', codeWaitSeconds: 0 };
  expect(await returnToPlace(db, { ...device, givenCode: null })).toEqual({ kind: 'code_required' });
  expect(await returnToPlace(db, { ...device, givenCode: '000000' })).toEqual({
    kind: 'pin_wrong',
    triesLeft: 4,
  });
  expect(await findPlaceOfBrowser(db, 'phone')).toBeNull();
  expect(await returnToPlace(db, { ...device, givenCode: '111111' })).toEqual({ kind: 'open', id: ada });
  expect((await findPlaceOfBrowser(db, 'phone'))?.id).toBe(ada);
  expect(await returnToPlace(db, { ...device, email: 'nobody@x.org', givenCode: '111111' })).toEqual({
    kind: 'unknown',
  });
});

test('five wrong codes lock the place for other browsers, the right code among them', async () => {
  await join('ada');
  const attempt = (givenCode: string) =>
    returnToPlace(db, {
      email: emailOf('ada'),
      browserId: 'phone',
      codeWaitSeconds: 0,
      givenCode,
    });
  for (let count = 0; count < 4; count++) expect((await attempt('000000')).kind).toBe('pin_wrong');
  expect(await attempt('000000')).toEqual({ kind: 'pin_locked', retryAfterSeconds: 300 });
  expect((await attempt('111111')).kind).toBe('pin_locked');
  expect(await join('ada')).toEqual(expect.any(String));
});

test('a page keeps the shortest wait that it has shown, and what is recent is not written again', async () => {
  const [ada, bob] = [await join('ada'), await join('bob')];
  const age = (id: string, seconds: number) =>
    sql`update waiting_presence set present_at = now() - make_interval(secs => ${seconds}) where id = ${id}`.execute(
      db,
    );
  await age(ada, 60);
  await age(bob, 5);
  const before = await findPlace(db, bob);
  expect([(await findPlace(db, ada))?.isPresent, before?.isPresent]).toEqual([false, true]);
  const gone = { id: crypto.randomUUID(), step: 1 };
  await Promise.all(
    [{ id: ada, step: 3 }, { id: bob, step: null }, gone].map((page) => notePresence(db, page)),
  );
  expect(await findPlace(db, ada)).toMatchObject({ isPresent: true, bestEstimateStep: 3 });
  expect(await findPlace(db, bob)).toEqual(before);
  await notePresence(db, { id: ada, step: 4 });
  await notePresence(db, { id: bob, step: 2 });
  expect((await findPlace(db, ada))?.bestEstimateStep).toBe(3);
  expect(await findPlace(db, bob)).toEqual({ ...before, bestEstimateStep: 2 });
});
