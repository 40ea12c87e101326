// One browser, or one address, cannot take the whole pool where that is configured, and the admin is told in any case.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { requestVm, returnToVm } from '../../src/db/request.ts';
import { guessPin } from '../../src/handlers/guess-pin.ts';
import { networkOf } from '../../src/http/failures.ts';
import { createPinLimit, type PinLimit } from '../../src/http/pin-limit.ts';
import { releaseAssignment } from '../../src/db/recycling.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';
import { requestVmByForm } from '../support/request-form.ts';
import { startTestServer } from '../support/server.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  await insertFreeVms(database.db, vmNames(20));
});

const ONE_BROWSER = { browserId: 'one browser', bounds: { perBrowser: 3, perAddress: 0 } };
const ONE_ADDRESS = { network: '192.0.2.200', bounds: { perBrowser: 0, perAddress: 4 } };
const kinds = (results: readonly { readonly kind: string }[], kind: string) =>
  results.filter((result) => result.kind === kind).length;

test.each([
  ['one browser', ONE_BROWSER, 3],
  ['one address', ONE_ADDRESS, 4],
])(
  'of fifteen requests of %s at once, as many get a machine as the bound says',
  async (_who, parts, bound) => {
    const asked = Array.from({ length: 15 }, (_, index) =>
      requestVm(database.db, vmRequest(`person${index}@x.org`, parts)),
    );
    const results = await Promise.all(asked);
    expect([kinds(results, 'assigned'), kinds(results, 'too_many')]).toEqual([bound, 15 - bound]);
    // Others are not concerned.
    const other = vmRequest('other@x.org', { ...parts, browserId: 'another', network: '192.0.2.201' });
    expect(await requestVm(database.db, other)).toMatchObject({ kind: 'assigned' });
  },
);

test('a participant at the bound comes back to the own machine, and gets another one after a release', async () => {
  const first = await giveVm(database.db, 'p1@x.org', ONE_BROWSER);
  await giveVm(database.db, 'p2@x.org', ONE_BROWSER);
  await giveVm(database.db, 'p3@x.org', ONE_BROWSER);
  expect(await requestVm(database.db, vmRequest('p4@x.org', ONE_BROWSER))).toEqual({ kind: 'too_many' });
  expect(await requestVm(database.db, vmRequest('p1@x.org', ONE_BROWSER))).toMatchObject({
    kind: 'returned',
    hostname: first.hostname,
  });
  await releaseAssignment(database.db, first.id);
  expect(await requestVm(database.db, vmRequest('p4@x.org', ONE_BROWSER))).toMatchObject({
    kind: 'assigned',
  });
});

test('sixty e-mails of one browser are told in the overview, as are wrong PINs, and bounded where configured', async () => {
  await using server = await startTestServer({ MAX_VMS_PER_ADDRESS: '61' });
  await insertFreeVms(server.db, vmNames(70));
  for (let index = 0; index < 60; index++)
    await giveVm(server.db, `person${index}@x.org`, {
      browserId: 'greedy',
      address: '127.0.0.1',
      network: '127.0.0.1',
    });
  const stranger = vmRequest('person7@x.org', { browserId: 'a stranger', givenPin: '000000' });
  for (let tries = 0; tries < 4; tries++) await requestVm(server.db, stranger);
  const { data } = await server.admin.GET('/api/v1/overview');
  expect(data?.attention.map(({ hostname, email, reason }) => [hostname, email, reason])).toEqual([
    ['lablink-vm-test-16', 'person7@x.org', 'wrong_pins'],
    ['lablink-vm-test-1', 'person0@x.org', 'many_by_one'],
  ]);
  expect(data?.attention[0]?.message).toContain('4 wrong PINs');
  expect(data?.attention[1]?.message).toContain('One browser has requested 60 machines (from 127.0.0.1)');
  expect((await requestVmByForm(server.url, 'p61@x.org')).status).toBe(200);
  const refused = await requestVmByForm(server.url, 'p62@x.org');
  expect([refused.status, await refused.json()]).toEqual([
    409,
    expect.objectContaining({ code: 'too_many_vms' }),
  ]);
});

test('the addresses of an IPv6 client count as one, an IPv4 address written as IPv6 as itself, and no address as none', () => {
  const [first, second, other] = ['2001:db8:1:2::5', '2001:db8:1:2:ffff::9', '2001:db8:2:2::5'].map(
    networkOf,
  );
  expect(second).toBe(first);
  expect(other).not.toBe(first);
  expect(['::ffff:192.0.2.7', '192.0.2.7', ''].map(networkOf)).toEqual(['192.0.2.7', '192.0.2.7', '']);
});

describe('wrong PINs of a stranger', () => {
  let limit: PinLimit;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    limit = createPinLimit();
  });
  afterEach(() => {
    limit.close();
    vi.useRealTimers();
  });
  const guess = (network: string, email: string, givenPin: string | null) =>
    guessPin(limit, { network, email, givenPin }, (pinWaitSeconds) =>
      returnToVm(database.db, { email, browserId: `new at ${network}`, givenPin, pinWaitSeconds }),
    );
  const emails = vmNames(20).map((name) => `${name}@x.org`);

  test('five for each of twenty participants, one after another or at once, lock out none of them', async () => {
    for (const email of emails) await giveVm(database.db, email);
    for (const email of emails.slice(0, 4)) {
      const kindsInTurn = [];
      for (let tries = 0; tries < 5; tries += 1) kindsInTurn.push(await guess('stranger', email, '000000'));
      expect(kindsInTurn).toMatchObject([
        { kind: 'pin_wrong', triesLeft: 3 },
        { kind: 'pin_wrong', triesLeft: 2 },
        { kind: 'pin_wrong', triesLeft: 1 },
        { kind: 'pin_locked', retryAfterSeconds: 600 },
        { kind: 'pin_locked', retryAfterSeconds: 600 },
      ]);
    }
    await Promise.all(
      emails.slice(4).flatMap((email) => Array.from({ length: 5 }, () => guess('stranger', email, '000000'))),
    );
    const { failures } = await database.db
      .selectFrom('assignments')
      .select(({ fn }) => fn.sum<string>('pin_failures').as('failures'))
      .executeTakeFirstOrThrow();
    // Some of each network are looked at, and never as many as lock an assignment.
    expect(Number(failures)).toBeGreaterThanOrEqual(30);
    expect(Number(failures)).toBeLessThanOrEqual(40);
    for (const email of emails)
      expect(await guess('home', email, '123456')).toMatchObject({ kind: 'returned' });
  });

  test('the right PIN, no PIN and a known browser do not count, and the network is looked at again after ten minutes', async () => {
    await giveVm(database.db, 'ada@x.org', { browserId: 'new at room' });
    for (let times = 0; times < 10; times += 1) {
      expect(await guess('room', 'ada@x.org', '123456')).toMatchObject({ kind: 'returned' });
      expect(await guess('elsewhere', 'ada@x.org', null)).toEqual({ kind: 'pin_required' });
    }
    for (let times = 0; times < 4; times += 1) await guess('elsewhere', 'ada@x.org', '000000');
    expect(await guess('elsewhere', 'ada@x.org', '123456')).toMatchObject({ kind: 'pin_locked' });
    vi.setSystemTime(Date.now() + 601_000);
    expect(await guess('elsewhere', 'ada@x.org', '123456')).toMatchObject({ kind: 'returned' });
  });

  test('e-mails without a machine are answered like those with one, so that nothing is learnt from the wait', async () => {
    for (let times = 0; times < 3; times += 1)
      expect(await guess('stranger', 'nobody@x.org', '000000')).toEqual({ kind: 'unknown' });
    expect(await guess('stranger', 'nobody@x.org', '000000')).toMatchObject({ kind: 'pin_locked' });
  });
});
