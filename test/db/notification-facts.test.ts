// What is announced, by the transaction in which it happens, and by the clock.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordBackup } from '../../src/db/backups.ts';
import { forgetPlaces, reserveVms } from '../../src/db/reservations.ts';
import { joinList } from '../../src/db/joining.ts';
import { leaveList } from '../../src/db/waiting-list.ts';
import { recordEvent } from '../../src/db/transition.ts';
import { startNotifyWatch } from '../../src/notify/watch.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';

let database: TestDatabase;
let db: TestDatabase['db'];
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => emptyTables(db));

/** Event and facts of everything that was announced, in order. */
async function announced(): Promise<readonly (readonly [string, unknown])[]> {
  const rows = await db
    .selectFrom('notifications')
    .select(['event', 'data'])
    .orderBy('at')
    .orderBy('key')
    .execute();
  return rows.map(({ event, data }) => [event, data]);
}
const events = async (): Promise<string[]> => (await announced()).map(([event]) => event);

async function join(name: string, wantsMail = false): Promise<string> {
  const id = crypto.randomUUID();
  await joinList(db, {
    ...{ id, email: `${name}@x.org`, browserId: `browser of ${name}`, code: '111111' },
    ...{ givenCode: null, codeWaitSeconds: 0, perBrowser: 10, wantsMail },
  });
  return id;
}

describe('what happens in rows is announced in the same transaction', () => {
  const lease = { lease_owner: 'one', lease_until: new Date() };
  const end = async (kind: 'launch' | 'destroy', from: 'queued' | 'running', to: string): Promise<void> => {
    const id = crypto.randomUUID();
    await db
      .insertInto('operations')
      .values({
        ...lease,
        id,
        kind,
        status: from,
        requested_by: 'ada',
        num_vms: 3,
        done: 2,
        failed: 1,
        total: 3,
      })
      .execute();
    await sql`update operations set status = ${to}, problem_kind = 'quota', problem = 'Too many.', remedy = 'Ask.', ended_at = now()
      where id = ${id}`.execute(db);
    // Whoever writes the end again announces nothing.
    await sql`update operations set status = ${to} where id = ${id}`.execute(db);
  };

  test.each([
    ['launch', 'running', 'succeeded', ['launch_finished']],
    ['launch', 'running', 'failed', ['launch_failed']],
    ['launch', 'queued', 'interrupted', ['launch_failed']],
    ['launch', 'running', 'cancelled', []],
    ['destroy', 'running', 'succeeded', []],
    ['destroy', 'running', 'failed', ['destroy_failed']],
  ] as const)('the end of a %s that was %s and has %s', async (kind, from, to, expected) => {
    await end(kind, from, to);
    expect(await events()).toEqual(expected);
  });

  test('the end of a launch that is rolled back is not announced', async () => {
    const undone = db.transaction().execute(async (trx) => {
      await trx
        .insertInto('operations')
        .values({ ...lease, id: crypto.randomUUID(), kind: 'launch', status: 'running', requested_by: 'ada' })
        .execute();
      await sql`update operations set status = 'failed', ended_at = now()`.execute(trx);
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect(await events()).toEqual([]);
  });

  test('a machine that fails while a participant has it, once for all its failures of an hour', async () => {
    await insertFreeVms(db, ['vm-1']);
    await giveVm(db, 'ada@x.org');
    await insertFreeVms(db, ['vm-2']);
    for (const event of ['report-error', 'report-running', 'report-error'] as const)
      await recordEvent(db, event, ['vm-1', 'vm-2']);
    expect(await announced()).toEqual([
      ['machine_failed', { hostname: 'vm-1', status: 'error', email: 'ada@x.org' }],
    ]);
  });

  test('the first person who waits, or the first group of them, and nobody after them', async () => {
    const [first] = await Promise.all([join('ada'), join('grace'), join('joan')]);
    expect(await events()).toEqual(['people_waiting']);
    await sql`update notifications set key = 'half an hour ago'`.execute(db);
    await Promise.all([join('mary'), join('edith')]);
    await leaveList(db, first);
    expect(await events()).toEqual(['people_waiting']);
    await sql`update waiting_list set left_at = now(), left_reason = 'removed'`.execute(db);
    await join('grace');
    expect(await events()).toEqual(['people_waiting', 'people_waiting']);
  });

  test('a backup that has failed, once until one succeeds', async () => {
    const failed = { kind: 'scheduled', place: '/backups', problem: 'The disk is full.' } as const;
    await recordBackup(db, failed);
    await recordBackup(db, failed);
    await recordBackup(db, { kind: 'scheduled', place: '/backups', at: new Date(), bytes: 7 });
    await recordBackup(db, failed);
    expect(await announced()).toEqual([
      ['backup_failed', { place: '/backups', problem: 'The disk is full.' }],
      ['backup_failed', { place: '/backups', problem: 'The disk is full.' }],
    ]);
  });
});

describe('a machine that is reserved for a person of the waiting list', () => {
  const open = { open: true, until: null };
  const mails = async () => {
    const rows = await db
      .selectFrom('notification_deliveries as d')
      .innerJoin('notifications as n', 'n.id', 'd.notification_id')
      .innerJoin('waiting_list as w', 'w.id', 'd.place_id')
      .select(['w.email', 'n.event', 'n.useful_until'])
      .execute();
    return rows.map(({ email, event }) => [email, event]);
  };

  test('is announced to them once, if they asked for it', async () => {
    await join('ada', true);
    await join('grace');
    await insertFreeVms(db, ['vm-1', 'vm-2']);
    await Promise.all([reserveVms(db, open), reserveVms(db, open)]);
    await reserveVms(db, open);
    expect(await mails()).toEqual([['ada@x.org', 'machine_ready']]);
    // The choice can be changed, by the person themselves.
    await join('grace', true);
    await sql`update vms set reserved_until = now() where reserved_for is not null`.execute(db);
    // The first one ends both reservations: nobody else waits.
    await reserveVms(db, open);
    await reserveVms(db, open);
    expect((await mails()).map(([email]) => email).sort()).toEqual(['ada@x.org', 'ada@x.org', 'grace@x.org']);
  });

  test('is announced five times for a place at most, and all of it is forgotten with the place', async () => {
    const id = await join('ada', true);
    await insertFreeVms(db, ['vm-1']);
    for (let round = 0; round < 8; round += 1) {
      await reserveVms(db, open);
      await sql`update vms set reserved_for = null, reserved_until = null`.execute(db);
      await sql`update waiting_list set reserved_vm = null, missed = 0`.execute(db);
    }
    expect(await mails()).toHaveLength(5);
    await leaveList(db, id);
    await sql`update waiting_presence set present_at = now() - interval '13 hours'`.execute(db);
    await sql`update waiting_list set since = now() - interval '14 hours', left_at = now() - interval '13 hours'`.execute(
      db,
    );
    await forgetPlaces(db);
    expect(await db.selectFrom('notification_deliveries').select('id').execute()).toEqual([]);
  });
});

describe('what is due by the clock is announced once, by whichever allocator looks', () => {
  const START = new Date('2027-03-01T12:00:00Z');
  const after = (minutes: number): Date => new Date(START.getTime() + minutes * 60_000);
  /** Two allocators look at each of these minutes. */
  async function lookAt(
    minutes: readonly number[],
    parts: { readonly closing?: Date; readonly costLimitUsd?: number } = {},
  ): Promise<void> {
    let now = START;
    const options = {
      db,
      now: () => Promise.resolve(now),
      readClosing: () => Promise.resolve(parts.closing ?? null),
      graceMinutes: 2,
      costLimitUsd: parts.costLimitUsd ?? 0,
      region: null,
      lookMs: 1e9,
      onError: (error: unknown) => {
        throw error;
      },
    };
    const watches = [startNotifyWatch(options), startNotifyWatch(options)];
    for (const minute of minutes) {
      now = after(minute);
      await Promise.all(watches.map(({ look }) => look()));
    }
    await Promise.all(watches.map(({ close }) => close()));
  }
  const shutDownAt = (at: Date, hostnames: readonly string[]) =>
    sql`update vms set shutdown_at = ${at} where hostname = any(${hostnames}::text[])`.execute(db);

  test('30 and 10 minutes before machines shut down, with the work that is not downloaded, and after it', async () => {
    await insertFreeVms(db, ['vm-1']);
    await giveVm(db, 'ada@x.org');
    await insertFreeVms(db, ['vm-2', 'vm-3']);
    await sql`update assignments set delivered_at = now()`.execute(db);
    await shutDownAt(after(60), ['vm-1', 'vm-2']);
    await shutDownAt(after(600), ['vm-3']);
    await lookAt([0, 29, 30, 31, 45, 50, 55, 60, 69, 71, 80]);
    const end = after(60).toISOString();
    expect((await announced()).toSorted()).toEqual(
      [
        ['end_soon', { minutes: 30, ends_at: end, machines: 2, is_closing: false }],
        ['end_soon', { minutes: 10, ends_at: end, machines: 2, is_closing: false }],
        ['work_not_downloaded', { machines: 1, ends_at: end }],
        ['machines_past_end', { machines: 2, ended_at: end }],
      ].toSorted(),
    );
  });

  test('the closing time of the workshop, and anew when it is changed', async () => {
    await lookAt([0, 35, 41, 55, 61], { closing: after(60) });
    expect(await events()).toEqual(['end_soon', 'end_soon']);
    await lookAt([61, 91, 115], { closing: after(120) });
    expect(await events()).toHaveLength(4);
  });

  test('after an outage only the latest warning is given', async () => {
    await lookAt([0, 55], { closing: after(60) });
    expect(await announced()).toMatchObject([['end_soon', { minutes: 10 }]]);
  });

  test('the estimated cost, at the limit and each multiple of it', async () => {
    await sql`insert into vm_hours (hostname, provider, instance_type, created_at)
      values ('vm-1', 'aws', 't3.large', ${START})`.execute(db);
    // 0.0832 dollars an hour: a dollar after 12 hours and a minute.
    await lookAt([0, 720, 722, 1_000, 1_443], { costLimitUsd: 1 });
    expect(await announced()).toMatchObject([
      ['cost_limit', { limit_usd: 1 }],
      ['cost_limit', { limit_usd: 2 }],
    ]);
    await lookAt([1_444], { costLimitUsd: 0 });
    expect(await events()).toHaveLength(2);
  });
});
