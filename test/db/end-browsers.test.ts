// Somebody else was first: an admin ends the browsers that have an assignment.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { allowBrowser, reassign } from '../../src/db/vm-actions.ts';
import { takeDelivery } from '../../src/db/delivery.ts';
import { requestVm } from '../../src/db/request.ts';
import { findVm } from '../../src/db/vms.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, giveVm, insertFreeVms, vmRequest } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
  await database.db.deleteFrom('audit_events').execute();
});

const LIFETIME_SECONDS = 600;
const OPENING = { pin: '654321', windowSeconds: 600 };
const doing = (hostname: string) => ({ hostname, by: 'grace' });
const move = (hostname: string, opening: typeof OPENING | null = null) =>
  reassign(database.db, {
    ...doing(hostname),
    releasedCopyId: crypto.randomUUID(),
    channel: CHANNEL,
    opening,
  });
const assignmentOf = async (hostname: string) => (await findVm(database.db, hostname))?.assignment;
const audited = () => database.db.selectFrom('audit_events').select(['detail', 'hostname']).execute();

describe('somebody else was first', () => {
  const stranger = vmRequest('ada@x.org', {
    browserId: 'the stranger',
    crdCommand: 'start-host --code="4/0Atheirs"',
  });
  const ada = vmRequest('ada@x.org', { browserId: 'the laptop of ada', pin: '999999' });

  test('allow-browser ends the browser that was there, with a new PIN, and the participant gets in', async () => {
    await insertFreeVms(database.db, ['a']);
    const theirs = await giveVm(database.db, 'ada@x.org', stranger);
    expect(await requestVm(database.db, ada)).toEqual({ kind: 'pin_required' });
    expect(await allowBrowser(database.db, doing('a'), OPENING)).toMatchObject({
      ended: { browsers: 1, requestedFrom: '192.0.2.7' },
    });
    // The allowance is not for the browser that was ended, nor is the old PIN good for anything.
    expect(await requestVm(database.db, stranger)).toEqual({ kind: 'pin_required' });
    expect(await requestVm(database.db, { ...stranger, givenPin: theirs.pin })).toEqual({
      kind: 'pin_wrong',
      triesLeft: 4,
    });
    expect(await requestVm(database.db, ada)).toMatchObject({
      kind: 'returned',
      hostname: 'a',
      pin: '654321',
    });
    expect((await assignmentOf('a'))?.browsers).toEqual(['the laptop of ada']);
    expect(await requestVm(database.db, stranger)).toEqual({ kind: 'pin_required' });
    expect(await takeDelivery(database.db, 'a', LIFETIME_SECONDS)).toMatchObject({
      command: ada.crdCommand,
      pin: '654321',
    });
  });

  test('the command of the browser that was ended is not delivered any more, before and after its delivery', async () => {
    await insertFreeVms(database.db, ['a']);
    await giveVm(database.db, 'ada@x.org', stranger);
    await allowBrowser(database.db, doing('a'), OPENING);
    expect(await takeDelivery(database.db, 'a', LIFETIME_SECONDS)).toBeNull();
    // The same text from the participant counts as a new command.
    await requestVm(database.db, { ...ada, crdCommand: stranger.crdCommand });
    expect(await takeDelivery(database.db, 'a', LIFETIME_SECONDS)).toMatchObject({ commandNumber: 2 });
    await allowBrowser(database.db, doing('a'), OPENING);
    expect(await takeDelivery(database.db, 'a', LIFETIME_SECONDS)).toBeNull();
  });

  test('reassign ends the browsers on demand only, and the new machine does not get their command', async () => {
    await insertFreeVms(database.db, ['a']);
    const { pin } = await giveVm(database.db, 'ada@x.org', stranger);
    await insertFreeVms(database.db, ['b']);
    await move('a');
    expect(await assignmentOf('b')).toMatchObject({ pin, browsers: ['the stranger'] });
    await insertFreeVms(database.db, ['c']);
    expect(await move('b', OPENING)).toMatchObject({ kind: 'moved', to: 'c' });
    expect(await assignmentOf('c')).toMatchObject({ pin: '654321', browsers: [] });
    expect(await takeDelivery(database.db, 'c', LIFETIME_SECONDS)).toBeNull();
    expect(await requestVm(database.db, stranger)).toEqual({ kind: 'pin_required' });
    expect(await requestVm(database.db, ada)).toMatchObject({ kind: 'returned', hostname: 'c' });
    expect((await audited()).filter(({ hostname }) => hostname === 'b')).toContainEqual(
      expect.objectContaining({
        detail: 'ada@x.org → c; 1 browser has lost access, requested from 192.0.2.7',
      }),
    );
  });
});
