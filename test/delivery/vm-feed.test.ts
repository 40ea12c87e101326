import { expect, test } from 'vitest';
import type { Db } from '../../src/db/connect.ts';
import { createVmFeed, type VmChange, type VmFeed } from '../../src/delivery/vm-feed.ts';
import type { VmFeedIntervals } from '../../src/delivery/vm-source.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';

type Viewer = AsyncDisposable & {
  /** The next change, whenever it comes. */
  readonly next: () => Promise<VmChange>;
};

function follow(feed: VmFeed, after: number | null = null): Viewer {
  const leaving = new AbortController();
  const iterator = feed.follow(after, leaving.signal)[Symbol.asyncIterator]();
  return {
    next: async () => {
      const result = await iterator.next();
      if (result.done === true) throw new Error('the feed has ended');
      return result.value;
    },
    [Symbol.asyncDispose]: async () => {
      leaving.abort();
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
    },
  };
}

type Clock = { ms: number };

function createFeed(db: Db, clock: Clock, intervals: Partial<VmFeedIntervals> = {}): VmFeed {
  return createVmFeed({
    db,
    nowMs: () => clock.ms,
    onError: (error) => {
      throw error;
    },
    intervals: { readMs: 10, ...intervals },
  });
}

const namesOf = (change: VmChange): string[] => change.changed.map(({ hostname }) => hostname).sort();

async function setStatus(db: Db, hostname: string, status: string): Promise<void> {
  await db.updateTable('vms').set({ status }).where('hostname', '=', hostname).execute();
}

test('a viewer receives all VMs first, then only changes', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['a', 'b', 'c']);
  const feed = createFeed(db, { ms: 0 });
  await using viewer = follow(feed);
  const first = await viewer.next();
  expect(first).toMatchObject({ all: ['a', 'b', 'c'], gone: [] });
  expect(namesOf(first)).toEqual(['a', 'b', 'c']);
  await setStatus(db, 'b', 'error');
  const second = await viewer.next();
  expect(second).toMatchObject({ all: null, changed: [{ hostname: 'b', status: 'error' }], gone: [] });
  const { hostname } = await giveVm(db, 'ada@example.org');
  expect(await viewer.next()).toMatchObject({
    changed: [{ hostname, assignment: { email: 'ada@example.org' } }],
  });
});

test('destroyed VMs are reported, also when others were added at the same moment', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['a', 'b']);
  await using viewer = follow(createFeed(db, { ms: 0 }));
  await viewer.next();
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('vms').where('hostname', '=', 'a').execute();
    await insertFreeVms(trx, ['c']);
  });
  const change = await viewer.next();
  expect(namesOf(change)).toEqual(['c']);
  expect(change.gone).toEqual(['a']);
});

test('a change that is committed after newer ones is not missed', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['early', 'late']);
  const clock = { ms: 0 };
  // Nothing but the overlap may find it.
  await using viewer = follow(createFeed(db, clock, { overlapMs: 1_000, rereadMs: 1e9 }));
  await viewer.next();
  const late = await db.startTransaction().execute();
  await setStatus(late, 'late', 'error');
  await setStatus(db, 'early', 'error');
  expect(namesOf(await viewer.next())).toEqual(['early']);
  clock.ms = 999;
  await late.commit().execute();
  expect(await viewer.next()).toMatchObject({ changed: [{ hostname: 'late', status: 'error' }] });
});

test('a change that is committed after the overlap is found by the next full read', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['early', 'late', 'other']);
  const clock = { ms: 0 };
  await using viewer = follow(createFeed(db, clock, { overlapMs: 1_000, rereadMs: 30_000 }));
  await viewer.next();
  const late = await db.startTransaction().execute();
  await setStatus(late, 'late', 'error');
  await setStatus(db, 'early', 'error');
  await viewer.next();
  // The overlap passes while it is open.
  for (clock.ms = 5_000; clock.ms < 8_000; clock.ms += 1_000) {
    await setStatus(db, 'other', clock.ms % 2_000 === 0 ? 'running' : 'error');
    expect(namesOf(await viewer.next())).toEqual(['other']);
  }
  await late.commit().execute();
  clock.ms = 31_000;
  expect(await viewer.next()).toMatchObject({ changed: [{ hostname: 'late', status: 'error' }] });
});

test('a viewer who reconnects receives the changes since then, and all hostnames', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['a', 'b', 'c']);
  const clock = { ms: 0 };
  const feed = createFeed(db, clock, { overlapMs: 1_000 });
  await using staying = follow(feed);
  await staying.next();
  clock.ms = 5_000;
  // A cursor is certain only after a later read.
  await expect
    .poll(async () => {
      await setStatus(db, 'a', 'running');
      return (await staying.next()).cursor;
    })
    .toBeGreaterThan(0);
  await setStatus(db, 'a', 'error');
  const { cursor } = await staying.next();
  await setStatus(db, 'b', 'error');
  await db.deleteFrom('vms').where('hostname', '=', 'c').execute();
  await using back = follow(feed, cursor);
  await expect.poll(async () => (await staying.next()).gone).toEqual(['c']);
  const change = await back.next();
  expect(namesOf(change)).toContain('b');
  const { gone } = change.all?.includes('c') ? await back.next() : { gone: ['c'] };
  expect(gone).toEqual(['c']);
});

test('rows are read only while there are viewers', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  let reads = 0;
  const feed = createVmFeed({
    db,
    nowMs: () => {
      reads += 1;
      return 0;
    },
    onError: () => undefined,
    intervals: { readMs: 5 },
  });
  {
    await using one = follow(feed);
    await using two = follow(feed);
    expect((await one.next()).all).toEqual([]);
    expect((await two.next()).all).toEqual([]);
    expect(feed.viewers()).toBe(2);
  }
  expect(feed.viewers()).toBe(0);
  const before = reads;
  await db.selectFrom('vms').selectAll().execute();
  expect(reads - before).toBeLessThanOrEqual(1);
});

test('the feed reports an outage and continues after it', async () => {
  await using database = await createTestDatabase('empty');
  const errors: string[] = [];
  const feed = createVmFeed({
    db: database.db,
    nowMs: () => 0,
    onError: (_, doing) => errors.push(doing),
    intervals: { readMs: 5 },
  });
  await using viewer = follow(feed);
  const first = viewer.next();
  await expect.poll(() => errors.length).toBeGreaterThan(1);
  const { migrateToLatest } = await import('../../src/db/migrate.ts');
  await migrateToLatest(database.db);
  expect(await first).toMatchObject({ all: [], changed: [] });
});
