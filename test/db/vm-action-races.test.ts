// Actions of admins while many participants request VMs: with concurrent moves, requests, releases and marks, no VM has two
// participants, and no participant has two VMs.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { beginRestart, reassign, allowBrowser, markHealthy, undoRestart } from '../../src/db/vm-actions.ts';
import { pendingRecycle, recordRecycled, releaseAssignment } from '../../src/db/recycling.ts';
import { requestVm } from '../../src/db/request.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, giveVm, insertFreeVms, vmNames, vmRequest } from '../support/rows.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await database.db.deleteFrom('vms').execute();
});

const OPENING = { pin: '654321', windowSeconds: 600 };
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const doing = (hostname: string) => ({ hostname, by: 'grace' });
const move = (hostname: string) =>
  reassign(database.db, {
    ...doing(hostname),
    releasedCopyId: crypto.randomUUID(),
    channel: CHANNEL,
    opening: null,
  });
const ask = (index: number) => requestVm(database.db, vmRequest(`person-${index}@x.org`));

/** What would be wrong, whatever has happened: each row is a fault. */
async function faults(): Promise<unknown> {
  const { rows } = await sql`
    select 'two people' as fault, hostname as who from assignments where released_at is null
      group by hostname having count(*) > 1
    union all
    select 'two machines', email from assignments where released_at is null group by email having count(*) > 1
    union all
    select 'a person whose machine does not know it', a.hostname from assignments a join vms v using (hostname)
      where a.released_at is null and v.assignment_id is distinct from a.id
    union all
    select 'a machine of nobody that is not free', v.hostname from vms v
      where v.assignment_id is not null and not exists
        (select from assignments a where a.id = v.assignment_id and a.hostname = v.hostname)
    union all
    select 'one person''s work on a machine that is given away', v.hostname from vms v
      join assignments a on a.id = v.assignment_id where a.released_at is not null and v.status = 'running'`.execute(
    database.db,
  );
  return rows;
}

test('a hundred requests and thirty reassignments at once give each participant one VM', async () => {
  const names = vmNames(30);
  await insertFreeVms(database.db, names);
  for (const index of upTo(30)) await ask(1_000 + index);
  await insertFreeVms(
    database.db,
    upTo(100).map((index) => `lablink-vm-more-${index}`),
  );
  const [asked, moved] = await Promise.all([
    Promise.all(upTo(100).map(ask)),
    // Each is asked for twice, as by two admins.
    Promise.all([...names, ...names].map(move)),
  ]);
  const given = asked.flatMap((each) => (each.kind === 'assigned' ? [each.hostname] : []));
  const arrived = moved.flatMap((each) => (each.kind === 'moved' ? [each.to] : []));
  const taken = [...given, ...arrived];
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken).toHaveLength(100);
  expect(new Set(asked.map(({ kind }) => kind)).isSubsetOf(new Set(['assigned', 'none_free']))).toBe(true);
  expect(await faults()).toEqual([]);
}, 60_000);

test('simultaneous reassignments, releases, restarts and resets of the same VMs leave consistent rows', async () => {
  const names = vmNames(8);
  await insertFreeVms(database.db, names);
  for (const index of upTo(5)) await ask(index);
  const anything = [
    (name: string) => move(name),
    async (name: string) => {
      const live = await database.db
        .selectFrom('assignments')
        .select('id')
        .where('hostname', '=', name)
        .where('released_at', 'is', null)
        .executeTakeFirst();
      if (live) await releaseAssignment(database.db, live.id, 'grace');
    },
    (name: string) => markHealthy(database.db, doing(name)),
    async (name: string) => {
      const before = await beginRestart(database.db, doing(name));
      if (before) await undoRestart(database.db, name, before.status);
    },
    async (name: string) => {
      const pending = await pendingRecycle(database.db, name);
      if (pending) await recordRecycled(database.db, { hostname: name, assignmentId: pending.assignmentId });
    },
    (name: string) => allowBrowser(database.db, doing(name), OPENING),
    (name: string) => ask(names.indexOf(name)),
  ];
  for (const round of upTo(6)) {
    await Promise.all(names.flatMap((name) => anything.map((each) => each(name))));
    expect([round, await faults()]).toEqual([round, []]);
  }
}, 60_000);

test('one allow-browser admits one of several simultaneous browsers', async () => {
  await insertFreeVms(database.db, ['a']);
  await giveVm(database.db, 'ada@x.org');
  await allowBrowser(database.db, doing('a'), OPENING);
  const came = await Promise.all(
    upTo(20).map((index) =>
      requestVm(database.db, vmRequest('ada@x.org', { browserId: `browser ${index}` })),
    ),
  );
  expect(came.filter(({ kind }) => kind === 'returned')).toHaveLength(1);
  expect(came.filter(({ kind }) => kind === 'pin_required')).toHaveLength(19);
});

test('a hundred simultaneous PIN guesses count as five attempts', async () => {
  await insertFreeVms(database.db, ['a']);
  await giveVm(database.db, 'ada@x.org', { pin: '999999' });
  const guessed = await Promise.all(
    upTo(100).map((index) =>
      requestVm(
        database.db,
        vmRequest('ada@x.org', { browserId: `b ${index}`, givenPin: String(index).padStart(6, '0') }),
      ),
    ),
  );
  expect(guessed.filter(({ kind }) => kind === 'pin_wrong').length).toBeLessThanOrEqual(5);
  expect(guessed.filter(({ kind }) => kind === 'returned' || kind === 'assigned')).toEqual([]);
});

test('a release that waits for a reassignment ends the assignment on its new VM', async () => {
  await insertFreeVms(database.db, ['a']);
  const { id } = await giveVm(database.db, 'ada@x.org');
  await insertFreeVms(database.db, ['b']);
  const waiting = async (): Promise<number> => {
    const { rows } = await sql`select from pg_locks l join pg_stat_activity using (pid)
      where not l.granted and datname = current_database()`.execute(database.db);
    return rows.length;
  };
  const { moved, released } = await database.db.transaction().execute(async (trx) => {
    await sql`select from vms where hostname = 'a' for no key update`.execute(trx);
    const begun = { moved: move('a') };
    await expect.poll(waiting).toBe(1);
    const both = { ...begun, released: releaseAssignment(database.db, id, 'grace') };
    await expect.poll(waiting).toBeGreaterThan(1);
    return both;
  });
  expect(await moved).toMatchObject({ kind: 'moved', to: 'b' });
  expect(await released).toBe('released');
  const { rows } = await sql`select hostname, status from vms order by hostname`.execute(database.db);
  expect(rows).toEqual([
    { hostname: 'a', status: 'recycling' },
    { hostname: 'b', status: 'recycling' },
  ]);
  const audited = await database.db
    .selectFrom('audit_events')
    .select(['what', 'hostname'])
    .where('what', '=', 'release')
    .orderBy('id', 'desc')
    .limit(1)
    .execute();
  expect(audited).toEqual([{ what: 'release', hostname: 'b' }]);
});
