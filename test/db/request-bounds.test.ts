// One browser, or one address, cannot take the whole pool where that is configured, and the admin is told in any case.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { requestVm } from '../../src/db/request.ts';
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
const ONE_ADDRESS = { address: '192.0.2.200', bounds: { perBrowser: 0, perAddress: 4 } };
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
    const other = vmRequest('other@x.org', { ...parts, browserId: 'another', address: '192.0.2.201' });
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
    await giveVm(server.db, `person${index}@x.org`, { browserId: 'greedy', address: '127.0.0.1' });
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
