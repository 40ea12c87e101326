// The table of vms/lifecycle.ts, carried out by real Postgres: every event in every state, alone and two at once.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectDatabase, type Db } from '../../src/db/connect.ts';
import { addVms, recordEvent, removeVms } from '../../src/db/transition.ts';
import {
  changes,
  outcomeOf,
  refuses,
  vmEvents,
  vmStates,
  vmStatuses,
  type Refusal,
  type StatusEvent,
  type VmEvent,
  type VmState,
} from '../../src/vms/lifecycle.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
let db: Db;
const refusals: Refusal[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  db = connectDatabase({
    connectionString: database.connectionString,
    poolSize: vmEvents.length + 5,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
    onRefusal: (refusal) => refusals.push(refusal),
  });
});
afterAll(async () => {
  await db.destroy();
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await db.deleteFrom('vms').execute();
  refusals.length = 0;
});

/** Decided by a predicate, not written. */
const unwritten: readonly VmEvent[] = ['claim', 'deliver'];
const creations = [
  'launch',
  'register',
  'adopt',
  'report-initializing',
  'report-running',
  'report-error',
] as const;
const isCreation = (event: VmEvent): event is (typeof creations)[number] =>
  creations.some((creation) => creation === event);
const written = vmEvents.filter((event) => !unwritten.includes(event));
const isUpdate = (event: VmEvent): event is StatusEvent =>
  event !== 'remove' && vmStatuses.some((status) => changes(event, status));
const updates = vmEvents.filter(isUpdate);

const BEFORE = 'error';
const next = (event: VmEvent, state: VmState): VmState => {
  const outcome = outcomeOf(event, state);
  if (outcome === 'before') return BEFORE;
  return outcome === 'kept' || outcome === 'refused' ? state : outcome;
};

async function happens(to: Db, event: VmEvent, hostnames: readonly string[]): Promise<void> {
  if (event === 'remove') await removeVms(to, hostnames);
  else if (isUpdate(event)) await recordEvent(to, event, hostnames, { before: sql.lit(BEFORE) });
  if (isCreation(event))
    await addVms(
      to,
      event,
      hostnames.map((hostname) => ({ hostname, provider: 'external' })),
    );
}

/** Adds a VM in each of these states; the hostname begins with the state. */
async function insertStates(states: readonly VmState[], suffix: string): Promise<string[]> {
  const names = states.map((state) => `${state}-${suffix}`);
  await db
    .insertInto('vms')
    .values(
      states.flatMap((status, index) =>
        status === 'none' ? [] : [{ hostname: names[index] ?? '', provider: 'external', status }],
      ),
    )
    .execute();
  return names;
}

async function rows(): Promise<Map<string, Readonly<Record<string, unknown>>>> {
  // In microseconds: a Date has milliseconds, in one of which a row is inserted and changed.
  const since = sql<string>`status_since::text`.as('status_since');
  const all = await db.selectFrom('vms').selectAll().select(since).execute();
  return new Map(all.map((row) => [row.hostname, row]));
}

async function events(hostname: string): Promise<unknown[]> {
  return db
    .selectFrom('vm_events')
    .select(['status', 'event'])
    .where('hostname', '=', hostname)
    .orderBy('id')
    .execute();
}

describe('an event', () => {
  test.each(written)('%s changes, keeps or refuses each state as the table says', async (event) => {
    const names = await insertStates(vmStates, 'vm');
    const before = await rows();
    await happens(db, event, names);
    const after = await rows();
    for (const state of vmStates) {
      const hostname = `${state}-vm`;
      const [was, is] = [before.get(hostname), after.get(hostname)];
      const expected = next(event, state);
      expect([event, state, is?.['status'] ?? 'none']).toEqual([event, state, expected]);
      if (!changes(event, state)) expect(is, `${event} in ${state} changes nothing`).toEqual(was);
      else if (is) {
        expect(is).toMatchObject({ status_event: event });
        expect(is['status_since']).not.toEqual(was?.['status_since']);
        expect((await events(hostname)).at(-1)).toEqual({ status: expected, event });
      }
    }
    const refused = vmStates.filter((state) => refuses(event, state));
    expect(refusals.toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1))).toEqual(
      refused
        .map((state) => ({ hostname: `${state}-vm`, event, state }))
        .toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1)),
    );
  });

  test('a refusal is reported from inside a transaction too', async () => {
    await insertStates(['destroying'], 'vm');
    await db.transaction().execute((trx) => recordEvent(trx, 'reset', ['destroying-vm']));
    expect(refusals).toEqual([{ hostname: 'destroying-vm', event: 'reset', state: 'destroying' }]);
  });

  test('a status that an unknown program writes is noted without an event', async () => {
    await insertStates(['initializing'], 'vm');
    await recordEvent(db, 'report-running', ['initializing-vm']);
    await sql`update vms set status = 'error'`.execute(db);
    expect(await events('initializing-vm')).toEqual([
      { status: 'initializing', event: null },
      { status: 'running', event: 'report-running' },
      { status: 'error', event: null },
    ]);
  });
});

describe('two events at once', () => {
  /** Until each of these is settled or waits for a lock. */
  async function allWait(started: readonly Promise<unknown>[]): Promise<void> {
    let settled = 0;
    for (const each of started) void each.then(() => (settled += 1));
    await vi.waitFor(async () => {
      const { rows: waiting } = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
      expect(settled + waiting.length).toBe(started.length);
    }, 10_000);
  }

  test.each(updates)('%s and any other event end as if one had come after the other', async (first) => {
    const second = updates;
    const names = new Map<VmEvent, string[]>();
    for (const event of second) names.set(event, await insertStates(vmStatuses, event));
    const started = await db.transaction().execute(async (trx) => {
      await happens(trx, first, [...names.values()].flat());
      const all = second.map((event) => happens(db, event, names.get(event) ?? []));
      await allWait(all);
      return { all };
    });
    await Promise.all(started.all);
    const after = await rows();
    for (const event of second)
      for (const status of vmStatuses) {
        const ended = after.get(`${status}-${event}`)?.['status'] ?? 'none';
        const allowed = [next(event, next(first, status)), next(first, next(event, status))];
        expect(allowed, `${first} and ${event} of a VM that was ${status}`).toContain(ended);
      }
  });
});
