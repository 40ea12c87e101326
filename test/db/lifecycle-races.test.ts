// Two things that happen to one VM at the same moment, in a fixed order: each waits for the row, then sees what the one before it
// has done. What they leave is a state that the table of vms/lifecycle.ts allows, and nothing is half done.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { claim } from '../../src/db/claim.ts';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { endAssignment, recordRecycled, releaseAssignment } from '../../src/db/recycling.ts';
import { reportHeartbeat, reportStatus } from '../../src/db/reports.ts';
import { markSilent } from '../../src/db/silence.ts';
import { recordEvent } from '../../src/db/transition.ts';
import { beginRestart, markHealthy, reassign } from '../../src/db/vm-actions.ts';
import { markDestroying, restoreDestroying, setUnreachable } from '../../src/db/vm-rows.ts';
import type { Refusal } from '../../src/vms/lifecycle.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { CHANNEL, giveVm, insertFreeVms, vmRequest } from '../support/rows.ts';

let database: TestDatabase;
let db: Db;
const refusals: Refusal[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  db = connectDatabase({
    connectionString: database.connectionString,
    poolSize: 10,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
    onRefusal: (refusal) => refusals.push(refusal),
  });
});
afterAll(async () => {
  await db.destroy();
  await database[Symbol.asyncDispose]();
});
let id: string;
beforeEach(async () => {
  await db.deleteFrom('vms').execute();
  await db.deleteFrom('audit_events').execute();
  refusals.length = 0;
  await insertFreeVms(db, ['a']);
  ({ id } = await giveVm(db, 'ada@x.org'));
});

const WAIT = { timeout: 10_000 };

/** Both wait for the row, in this order. Of three, the second and the third could overtake each other: both follow what the first wrote. */
async function inOrder(
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<[unknown, unknown]> {
  const { started } = await db.transaction().execute(async (trx) => {
    await sql`select from vms where hostname = 'a' for no key update`.execute(trx);
    const one = first();
    await waiting(1);
    const other = second();
    await waiting(2);
    return { started: [one, other] as const };
  });
  return Promise.all(started);
}

const waiting = (count: number) =>
  expect
    .poll(async () => {
      const { rows } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
      return rows.length;
    }, WAIT)
    .toBe(count);

const row = () =>
  db
    .selectFrom('vms')
    .select(['status', 'status_before_destroy', 'silent_since', 'assignment_id'])
    .executeTakeFirstOrThrow();
const setStatus = (status: string) => db.updateTable('vms').set({ status }).execute();
const becomeSilent = async () => {
  await reportHeartbeat(db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: null });
  await sql`update vm_presence set last_seen_at = now() - interval '1 hour'`.execute(db);
};

const by = { hostname: 'a', by: 'grace' };
const report = (status: 'initializing' | 'running' | 'error') => () =>
  reportStatus(db, { hostname: 'a', status, provider: 'external' });
const destroy = () => markDestroying(db, ['external']);
const reset = () => recordRecycled(db, { hostname: 'a', assignmentId: id });
const release = () => releaseAssignment(db, id);

describe('a report and a destroy', () => {
  test('a report before the destroy is the status that a failed destroy restores', async () => {
    await setStatus('initializing');
    await inOrder(report('running'), destroy);
    expect(await row()).toMatchObject({ status: 'destroying', status_before_destroy: 'running' });
    await restoreDestroying(db, ['a']);
    expect(await row()).toMatchObject({ status: 'running', status_before_destroy: null });
  });

  test('a report after the destroy has begun does not stop it', async () => {
    await inOrder(destroy, report('error'));
    expect(await row()).toMatchObject({ status: 'destroying', status_before_destroy: 'running' });
  });
});

describe('a reset and a destroy', () => {
  beforeEach(release);

  test('a VM that was reset first is destroyed without an assignment', async () => {
    expect(await inOrder(reset, destroy)).toEqual(['recorded', ['a']]);
    expect(await row()).toMatchObject({ status: 'destroying', assignment_id: null });
    expect(refusals).toEqual([]);
  });

  test('a reset of a VM that is being destroyed is refused and logged, and keeps the assignment', async () => {
    expect(await inOrder(destroy, reset)).toEqual([['a'], 'refused']);
    expect(await row()).toMatchObject({ status: 'destroying', assignment_id: id });
    expect(refusals).toEqual([{ hostname: 'a', event: 'reset', state: 'destroying' }]);
  });
});

describe('a release and a silence', () => {
  beforeEach(becomeSilent);

  test('a VM that is released first is reset, not unreachable', async () => {
    expect(await inOrder(release, () => markSilent(db, 60))).toEqual(['released', []]);
    expect(await row()).toMatchObject({ status: 'recycling', silent_since: null });
  });

  test('a VM that is silent first is reset once it is released, and its next report does not free it', async () => {
    expect(await inOrder(() => markSilent(db, 60), release)).toEqual([['a'], 'released']);
    expect(await row()).toMatchObject({ status: 'recycling', silent_since: null });
    await reportHeartbeat(db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: null });
    expect(await row()).toMatchObject({ status: 'recycling', assignment_id: id });
  });
});

describe('a restart and a destroy', () => {
  const restart = () => beginRestart(db, by);

  test('a VM whose restart began first is destroyed, and a failed destroy lets it start', async () => {
    expect(await inOrder(restart, destroy)).toEqual([{ status: 'running' }, ['a']]);
    expect(await row()).toMatchObject({ status: 'destroying', status_before_destroy: 'initializing' });
  });

  test('a VM that is being destroyed is not restarted, which is logged and not audited', async () => {
    expect(await inOrder(destroy, restart)).toEqual([['a'], null]);
    expect(await row()).toMatchObject({ status: 'destroying' });
    expect(refusals).toEqual([{ hostname: 'a', event: 'restart', state: 'destroying' }]);
    expect(await db.selectFrom('audit_events').selectAll().execute()).toEqual([]);
  });
});

describe('a VM that disappears', () => {
  const gone = () => setUnreachable(db, ['a']);

  test('a VM that was silent and is gone does not come back with a late heartbeat', async () => {
    await becomeSilent();
    await inOrder(() => markSilent(db, 60), gone);
    await reportHeartbeat(db, 'a', { bootId: 'boot-1', address: '10.0.0.5', freeDiskBytes: null });
    expect(await row()).toMatchObject({ status: 'unreachable', silent_since: null });
  });

  test('a VM whose destroy has begun does not become unreachable, which is logged', async () => {
    await inOrder(destroy, gone);
    expect(await row()).toMatchObject({ status: 'destroying' });
    expect(refusals).toEqual([{ hostname: 'a', event: 'gone', state: 'destroying' }]);
  });
});

test('mark-healthy that waited for a release and an error resets the VM and does not free it', async () => {
  const { marked } = await db.transaction().execute(async (trx) => {
    await endAssignment(trx, { id, hostname: 'a', by: null });
    await recordEvent(trx, 'report-error', ['a']);
    const marked = markHealthy(db, by);
    await waiting(1);
    return { marked };
  });
  await marked;
  expect(await row()).toMatchObject({ status: 'recycling', assignment_id: id });
});

describe('times, where a transaction began before somebody else had the machine', () => {
  /** Bob has the machine, and gives it back. */
  async function bobWasHere(): Promise<void> {
    const { id: bobs } = await giveVm(db, 'bob@x.org');
    await releaseAssignment(db, bobs);
    await recordRecycled(db, { hostname: 'a', assignmentId: bobs });
  }
  const held = async (email: string) => {
    const { assigned_at: from, released_at: until } = await db
      .selectFrom('assignments')
      .select(['assigned_at', 'released_at'])
      .where('hostname', '=', 'a')
      .where('email', '=', email)
      .executeTakeFirstOrThrow();
    return { from: from.getTime(), until: until?.getTime() ?? Infinity };
  };
  beforeEach(async () => {
    await release();
    await reset();
  });

  test('who is given the machine has it after the one before, in the history too', async () => {
    await db.transaction().execute(async (trx) => {
      await sql`select now()`.execute(trx);
      await bobWasHere();
      expect(await claim(trx, [vmRequest('carol@x.org')], 'skip locked')).toMatchObject([
        { outcome: 'given' },
      ]);
    });
    expect((await held('carol@x.org')).from).toBeGreaterThanOrEqual((await held('bob@x.org')).until);
    const { rows } = await sql<{ kind: string }>`
      select kind from assignment_changes where hostname = 'a' order by at desc limit 2`.execute(db);
    expect(rows.map(({ kind }) => kind)).toEqual(['assigned', 'released']);
  });

  test('who is moved to the machine has it after the one before, and has left the other one then', async () => {
    await insertFreeVms(db, ['b']);
    await setStatus('initializing');
    await db.updateTable('vms').set({ status: 'running' }).where('hostname', '=', 'b').execute();
    await giveVm(db, 'carol@x.org');
    const { moved } = await db.transaction().execute(async (trx) => {
      await sql`select from vms where hostname = 'b' for no key update`.execute(trx);
      const moved = reassign(db, {
        ...{ hostname: 'b', by: 'grace', releasedCopyId: crypto.randomUUID() },
        ...{ channel: CHANNEL, opening: null },
      });
      await waiting(1);
      await db.updateTable('vms').set({ status: 'running' }).where('hostname', '=', 'a').execute();
      await bobWasHere();
      return { moved };
    });
    expect(await moved).toMatchObject({ kind: 'moved', to: 'a' });
    expect((await held('carol@x.org')).from).toBeGreaterThanOrEqual((await held('bob@x.org')).until);
    const copy = db.selectFrom('assignments').select('released_at').where('hostname', '=', 'b');
    const { released_at: left } = await copy.executeTakeFirstOrThrow();
    expect(left!.getTime()).toBeGreaterThanOrEqual((await held('bob@x.org')).until);
  });

  test('who gives the machine back has had it before', async () => {
    await db.transaction().execute(async (trx) => {
      await sql`select now()`.execute(trx);
      const { id: bobs } = await giveVm(db, 'bob@x.org');
      await endAssignment(trx, { id: bobs, hostname: 'a', by: null });
    });
    const { from, until } = await held('bob@x.org');
    expect(until).toBeGreaterThanOrEqual(from);
  });
});
