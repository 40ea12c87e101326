import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import { releaseAssignment } from '../../src/db/recycling.ts';
import {
  countStates,
  pruneHistory,
  readAssignmentChanges,
  readStateSamples,
  sampleStates,
} from '../../src/db/history.ts';
import { startSampler } from '../../src/delivery/state-sampler.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { giveVm, insertFreeVms } from '../support/rows.ts';

const DAY_MS = 86_400_000;
const EVER = new Date(0);

test('each VM is counted in exactly one state', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  await giveVm(db, 'ada@example.org');
  const { hostname: used } = await giveVm(db, 'grace@example.org');
  await db.updateTable('vms').set({ in_use: true }).where('hostname', '=', used).execute();
  const free = await db.selectFrom('vms').select('hostname').where('assignment_id', 'is', null).execute();
  const statuses = ['initializing', 'error', 'unreachable', 'destroying'];
  for (const [index, status] of statuses.entries())
    await db.updateTable('vms').set({ status }).where('hostname', '=', free[index]!.hostname).execute();
  expect(await countStates(db)).toMatchObject({
    free: 1,
    assigned: 1,
    in_use: 1,
    initializing: 1,
    recycling: 0,
    failed: 2,
    destroying: 1,
  });
});

test('a sample is stored only when the counts change, and never for an empty lab', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  expect(await sampleStates(db)).toBe(false);
  await insertFreeVms(db, ['a']);
  expect([await sampleStates(db), await sampleStates(db)]).toEqual([true, false]);
  await db.deleteFrom('vms').execute();
  expect([await sampleStates(db), await sampleStates(db)]).toEqual([true, false]);
  expect((await readStateSamples(db, EVER, 100)).map(({ free }) => free)).toEqual([1, 0]);
});

test('the sample valid at the start of a window is returned with that start; many samples are thinned, except the last', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await sql`insert into vm_state_samples (at, free, assigned, in_use, initializing, recycling, failed, destroying)
    select now() - make_interval(mins => 101 - number), number, 0, 0, 0, 0, 0, 0
    from generate_series(1, 100) as number`.execute(db);
  const from = new Date(Date.now() - 10.5 * 60_000);
  const samples = await readStateSamples(db, from, 100);
  expect(samples.map(({ free }) => free)).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
  expect(samples[0]?.at.getTime()).toBe(from.getTime());
  const thinned = await readStateSamples(db, EVER, 30);
  expect(thinned.length).toBeLessThanOrEqual(30);
  expect(thinned.at(-1)?.free).toBe(100);
});

test('assignments and releases are stored without participants, also when the VM is destroyed', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, ['a', 'b']);
  const { id, hostname } = await giveVm(db, 'ada@example.org');
  await giveVm(db, 'grace@example.org');
  await releaseAssignment(db, id);
  await db.deleteFrom('vms').execute();
  const changes = await readAssignmentChanges(db, EVER, 100);
  expect(changes.map(({ kind, assigned, released }) => [kind, assigned, released])).toEqual([
    ['assigned', 1, 0],
    ['assigned', 2, 0],
    ['released', 2, 1],
    ['released', 2, 2],
  ]);
  expect(changes[2]?.hostname).toBe(hostname);
  const newest = await readAssignmentChanges(db, EVER, 1);
  expect(newest).toEqual([changes[3]]);
});

test('after a week everything is deleted except the sample that is still valid', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await sql`insert into vm_state_samples (at, free, assigned, in_use, initializing, recycling, failed, destroying)
    select now() - make_interval(days => days), days, 0, 0, 0, 0, 0, 0 from unnest(array[9, 8, 1]) as days`.execute(
    db,
  );
  await sql`insert into assignment_changes (at, hostname, kind)
    values (now() - interval '8 days', 'a', 'assigned'), (now(), 'a', 'released')`.execute(db);
  await pruneHistory(db, 7 * DAY_MS);
  expect((await readStateSamples(db, EVER, 100)).map(({ free }) => free)).toEqual([8, 1]);
  expect((await readAssignmentChanges(db, EVER, 100)).map(({ kind }) => kind)).toEqual(['released']);
});

test('the sampler stores changes, survives an error and closes cleanly', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const errors: unknown[] = [];
  const sampler = startSampler({
    db,
    onError: (error) => errors.push(error),
    intervals: { sampleMs: 10 },
  });
  await insertFreeVms(db, ['a']);
  await vi.waitFor(async () => expect(await readStateSamples(db, EVER, 10)).toHaveLength(1));
  await sql`alter table vms rename to vms_gone`.execute(db);
  await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0));
  await sql`alter table vms_gone rename to vms`.execute(db);
  await insertFreeVms(db, ['b']);
  await vi.waitFor(async () => expect(await readStateSamples(db, EVER, 10)).toHaveLength(2));
  await sampler.close();
});
