import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leaseWaiting, takeDelivery, withDelivery } from '../../src/db/delivery.ts';
import { readGroupSizes } from '../../src/db/grouped.ts';
import { listen } from '../../src/db/listen.ts';
import { recordOutcome } from '../../src/db/outcomes.ts';
import { createDispatcher, type Dispatcher } from '../../src/delivery/dispatcher.ts';
import { createTestDatabase, withAdmin, type TestDatabase } from '../support/postgres.ts';
import { ageCommand, CHANNEL, giveVm, insertFreeVms } from '../support/rows.ts';

const LIFETIME_SECONDS = 600;
let database: TestDatabase;
let dispatcher: Dispatcher;
let errors: unknown[];

beforeEach(async () => {
  database = await createTestDatabase();
  errors = [];
  dispatcher = newDispatcher();
});
afterEach(async () => {
  await dispatcher.close();
  await database[Symbol.asyncDispose]();
  expect(errors).toEqual([]);
});

const newDispatcher = (): Dispatcher =>
  createDispatcher({
    db: database.db,
    allocator: crypto.randomUUID(),
    channel: CHANNEL,
    maxWaiters: 3,
    codeLifetimeSeconds: LIFETIME_SECONDS,
    pollMaxSeconds: null,
    now: Date.now,
    onError: (error) => errors.push(error),
  });
const never = new AbortController().signal;
const poll = (hostname: string, signal = never) => dispatcher.wait({ hostname, confirms: true, signal });

async function listening() {
  const result = await listen({
    connectionString: database.connectionString,
    channel: CHANNEL,
    db: database.db,
    onNotice: dispatcher.onNotice,
    onConnected: () => void dispatcher.readAll(),
    onError: () => undefined,
  });
  if (!result.ok) throw new Error(result.failure.message);
  return result.value;
}

describe('a waiting VM', () => {
  test('a waiting VM receives its command after a notification', async () => {
    await insertFreeVms(database.db, ['a']);
    const listener = await listening();
    const told = poll('a');
    await expect.poll(() => dispatcher.waiting).toBe(1);
    const { id } = await giveVm(database.db, 'ada@x.org', { pin: '424242' });
    expect(await told).toEqual({
      kind: 'delivered',
      delivery: {
        waitedSeconds: expect.any(Number) as number,
        assignmentId: id,
        command: 'start-host --code="4/0Aone"',
        pin: '424242',
        commandNumber: 1,
      },
    });
    await listener.close();
  });

  test('a VM that polls after the assignment receives its command at once', async () => {
    await insertFreeVms(database.db, ['a']);
    await giveVm(database.db, 'ada@x.org');
    expect(await poll('a')).toMatchObject({ kind: 'delivered' });
  });

  test('a waiting VM receives its command from the rows if the notification was lost with the connection', async () => {
    await insertFreeVms(database.db, ['a']);
    const listener = await listening();
    const told = poll('a');
    await expect.poll(() => dispatcher.waiting).toBe(1);
    await withAdmin(async (admin) => {
      // The listener's connection ends, and the command is given before it is back.
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lablink listener'`,
      );
    });
    await giveVm(database.db, 'ada@x.org', { channel: 'nobody_listens_here' });
    expect(await told).toMatchObject({ kind: 'delivered' });
    await expect.poll(() => listener.connected).toBe(true);
    await listener.close();
  });

  test('a newer poll of the same VM supersedes the older one and receives the command', async () => {
    await insertFreeVms(database.db, ['a']);
    const older = poll('a');
    const newer = poll('a');
    expect(await older).toEqual({ kind: 'superseded' });
    expect(dispatcher.waiting).toBe(1);
    await giveVm(database.db, 'ada@x.org');
    dispatcher.onNotice({ kind: 'command', hostname: 'a' });
    expect(await newer).toMatchObject({ kind: 'delivered' });
  });

  test('a poll whose client disconnects is dropped', async () => {
    await insertFreeVms(database.db, ['a']);
    const caller = new AbortController();
    const told = poll('a', caller.signal);
    expect(dispatcher.waiting).toBe(1);
    caller.abort();
    expect(await told).toEqual({ kind: 'gone' });
    expect(dispatcher.waiting).toBe(0);
  });

  test('the number of waiting VMs is limited', async () => {
    const told = ['a', 'b', 'c'].map((hostname) => poll(hostname));
    expect(await poll('d')).toEqual({ kind: 'full' });
    await dispatcher.close();
    expect(await Promise.all(told)).toEqual([
      { kind: 'stopping' },
      { kind: 'stopping' },
      { kind: 'stopping' },
    ]);
    expect(await poll('a')).toEqual({ kind: 'stopping' });
  });

  test('a VM is recorded as waiting until its poll ends', async () => {
    await insertFreeVms(database.db, ['a']);
    const caller = new AbortController();
    const told = poll('a', caller.signal);
    const waits = async () => {
      const { rows } = await sql<{
        waits: boolean;
      }>`select waiting_until > now() as waits from vm_presence`.execute(database.db);
      return rows;
    };
    await expect.poll(waits).toEqual([{ waits: true }]);
    caller.abort();
    await told;
    await expect.poll(waits).toEqual([{ waits: null }]);
  });
});

describe('a command', () => {
  test('a command is delivered again until it is acknowledged, and keeps the time of its first delivery', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a']);
    await giveVm(db, 'ada@x.org');
    const first = await takeDelivery(db, 'a', LIFETIME_SECONDS);
    expect(first?.waitedSeconds).toBeGreaterThan(0);
    const { delivered_at } = await db
      .selectFrom('assignments')
      .select('delivered_at')
      .executeTakeFirstOrThrow();
    expect(await takeDelivery(db, 'a', LIFETIME_SECONDS)).toEqual({ ...first, waitedSeconds: null });
    expect(await db.selectFrom('assignments').select('delivered_at').executeTakeFirstOrThrow()).toEqual({
      delivered_at,
    });
  });

  test('an acknowledged command is not delivered again; a new command is', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a']);
    const { id } = await giveVm(db, 'ada@x.org');
    const outcome = {
      assignmentId: id,
      hostname: 'a',
      outcome: 'failed' as const,
      commandNumber: 1,
      message: 'expired',
    };
    expect(await recordOutcome(db, outcome)).toBe('recorded');
    expect(await takeDelivery(db, 'a', LIFETIME_SECONDS)).toBeNull();
    await giveVm(db, 'ada@x.org', { crdCommand: 'start-host --code="4/0Atwo"' });
    expect(await takeDelivery(db, 'a', LIFETIME_SECONDS)).toMatchObject({ commandNumber: 2 });
    expect(await recordOutcome(db, outcome)).toBe('replaced');
  });

  test('a command with an expired code is not delivered; a new command is', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a']);
    await giveVm(db, 'ada@x.org');
    await ageCommand(db, 'ada@x.org', LIFETIME_SECONDS);
    expect(await takeDelivery(db, 'a', LIFETIME_SECONDS)).toBeNull();
    expect(await withDelivery(db, ['a'], LIFETIME_SECONDS)).toEqual([]);
    await giveVm(db, 'ada@x.org', { crdCommand: 'start-host --code="4/0Afresh"' });
    expect(await withDelivery(db, ['a', 'b'], LIFETIME_SECONDS)).toEqual(['a']);
    expect(await takeDelivery(db, 'a', LIFETIME_SECONDS)).toMatchObject({
      command: 'start-host --code="4/0Afresh"',
    });
  });

  test('only the assigned VM can acknowledge a command, and only before the release', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a', 'b']);
    const { id } = await giveVm(db, 'ada@x.org');
    const report = { assignmentId: id, outcome: 'registered' as const, commandNumber: null, message: null };
    expect(await recordOutcome(db, { ...report, hostname: 'b' })).toBe('unknown');
    expect(await recordOutcome(db, { ...report, hostname: 'a', assignmentId: crypto.randomUUID() })).toBe(
      'unknown',
    );
    expect(await recordOutcome(db, { ...report, hostname: 'a' })).toBe('recorded');
    expect(await recordOutcome(db, { ...report, hostname: 'a' })).toBe('recorded');
    await sql`update assignments set released_at = now()`.execute(db);
    expect(await recordOutcome(db, { ...report, hostname: 'a' })).toBe('released');
  });
});

describe('deliveries in a group', () => {
  test('VMs that ask in the same moment get their commands from one statement, and those without one get nothing', async () => {
    const { db } = database;
    const hostnames = ['a', 'b', 'c', 'd'];
    await insertFreeVms(db, hostnames);
    for (const [index, email] of ['ada@x.org', 'bob@x.org', 'eve@x.org'].entries())
      await giveVm(db, email, { pin: `00000${index}` });
    await sql`update assignments set released_at = now() where email = 'bob@x.org'`.execute(db);
    const taken = await Promise.all(
      [...hostnames, 'ghost'].map((name) => takeDelivery(db, name, LIFETIME_SECONDS)),
    );
    expect(taken.map((delivery) => delivery?.pin ?? null)).toEqual(['000000', null, '000002', null, null]);
    expect(readGroupSizes([db]).find(({ name }) => name === 'deliveries')).toMatchObject({
      groups: 1,
      items: 5,
      alone: 0,
    });
    const rows = await db
      .selectFrom('assignments')
      .select(['hostname', 'delivered_at'])
      .orderBy('hostname')
      .execute();
    expect(rows.map(({ delivered_at }) => delivered_at !== null)).toEqual([true, false, true]);
  });

  test('a VM whose assignment is locked waits for it alone, and gets what is true then', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a', 'b']);
    await giveVm(db, 'ada@x.org', { pin: '000001' });
    await giveVm(db, 'bob@x.org', { pin: '000002' });
    const lock = await db.startTransaction().execute();
    await sql`update assignments set crd_command = 'start-host --code="4/0Anew"', command_number = 2
      where email = 'ada@x.org'`.execute(lock);
    const [a, b] = ['a', 'b'].map((name) => takeDelivery(db, name, LIFETIME_SECONDS));
    expect(await b).toMatchObject({ pin: '000002' });
    expect(await takeDelivery(db, 'b', LIFETIME_SECONDS)).toMatchObject({ pin: '000002' });
    await lock.commit().execute();
    expect(await a).toMatchObject({ command: 'start-host --code="4/0Anew"', commandNumber: 2 });
  });

  test('an assignment that is released while its VM waits for the row is not delivered', async () => {
    const { db } = database;
    await insertFreeVms(db, ['a']);
    await giveVm(db, 'ada@x.org');
    const lock = await db.startTransaction().execute();
    await sql`update assignments set released_at = now()`.execute(lock);
    const taken = takeDelivery(db, 'a', LIFETIME_SECONDS);
    await expect
      .poll(
        async () => {
          const { rows } = await sql`select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
          return rows.length;
        },
        { timeout: 10_000 },
      )
      .toBe(1);
    await lock.commit().execute();
    expect(await taken).toBeNull();
  });
});

test('a machine whose poll moved to another allocator keeps waiting there when its old poll ends', async () => {
  await insertFreeVms(database.db, ['a']);
  const lease = async () =>
    (
      await sql<{ at: string; waits: boolean }>`
        select waits_at as at, waiting_until > now() as waits from vm_presence`.execute(database.db)
    ).rows[0];
  const leaving = new AbortController();
  const old = poll('a', leaving.signal);
  await expect.poll(lease).toMatchObject({ waits: true });
  const first = await lease();
  const other = newDispatcher();
  const moved = other.wait({ hostname: 'a', confirms: true, signal: never });
  await expect.poll(lease).not.toEqual(first);
  const second = await lease();
  // The old one is renewed, ends, and its allocator writes what it still has to write.
  await leaseWaiting(database.db, [{ hostname: 'a', confirms: true }], {
    seconds: 35,
    allocator: first?.at ?? '',
    channel: CHANNEL,
    renews: true,
  });
  leaving.abort();
  expect(await old).toEqual({ kind: 'gone' });
  await dispatcher.close();
  expect(await lease()).toEqual(second);
  await other.close();
  expect(await moved).toEqual({ kind: 'stopping' });
  expect(await lease()).toMatchObject({ waits: null });
});
