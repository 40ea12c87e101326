// Lines of logs: stored once, in their order, and within the limit of their machine.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readGroupSizes } from '../../src/db/grouped.ts';
import { appendLogs, createLogAppender, logBytes, pruneLogs, readLogs } from '../../src/db/logs.ts';
import { createLogLimiter } from '../../src/handlers/log-intake.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(() => emptyTables(database.db));

/** `line 10`, and what every line costs beside its text. */
const LINE_BYTES = 7 + 64;

const lines = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${from + index}`);

test('the logs of 200 simultaneous batches are stored once, each batch in its order', async () => {
  await insertFreeVms(database.db, ['a']);
  await Promise.all(
    Array.from({ length: 200 }, (_, push) =>
      appendLogs(database.db, { hostname: 'a', lines: lines(push * 10, 10), eventIds: null }),
    ),
  );
  const stored = (await readLogs(database.db, 'a')).lines;
  expect([...stored].sort()).toEqual(lines(0, 2000).sort());
  for (let push = 0; push < 200; push++) {
    const own = lines(push * 10, 10);
    expect(stored.filter((line) => own.includes(line))).toEqual(own);
  }
});

test('logs with event ids are stored once, however often a batch is sent', async () => {
  await insertFreeVms(database.db, ['a', 'b']);
  const batch = { hostname: 'a', lines: ['x', 'x', 'y'], eventIds: ['1', '2', '3'] };
  const stored = await Promise.all([1, 2, 3].map(() => appendLogs(database.db, batch)));
  expect(stored.reduce((sum, count) => sum + count, 0)).toBe(3);
  expect(await appendLogs(database.db, { ...batch, hostname: 'b' })).toBe(3);
  expect(await appendLogs(database.db, { hostname: 'a', lines: ['y', 'z'], eventIds: ['3', '4'] })).toBe(1);
  expect(await readLogs(database.db, 'a')).toEqual({ lines: ['x', 'x', 'y', 'z'], linesCut: 0 });
});

test('small batches of many machines are few statements; a machine that somebody writes holds up no other', async () => {
  const append = createLogAppender(1);
  const hostnames = vmNames(40);
  await insertFreeVms(database.db, [...hostnames, 'held']);
  const batchOf = (hostname: string) => ({ hostname, lines: lines(0, 3), eventIds: ['1', '2', '2'] });
  const { late } = await database.db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(7204, hashtext('held'))`.execute(trx);
    const late = append(database.db, batchOf('held'));
    const stored = await Promise.all(hostnames.map((hostname) => append(database.db, batchOf(hostname))));
    expect(stored).toEqual(hostnames.map(() => 2));
    return { late };
  });
  expect(await late).toBe(2);
  for (const hostname of [...hostnames, 'held'])
    expect(await readLogs(database.db, hostname)).toEqual({ lines: lines(0, 2), linesCut: 0 });
  const sizes = readGroupSizes([database.db]).find(({ name }) => name === 'logs');
  expect(sizes).toMatchObject({ items: 41, alone: 1 });
  expect(sizes?.groups).toBeLessThan(5);
});

test('logs beyond the limit are dropped, oldest first, and counted', async () => {
  await insertFreeVms(database.db, ['a', 'b']);
  await appendLogs(database.db, { hostname: 'a', lines: lines(10, 90), eventIds: null });
  await appendLogs(database.db, { hostname: 'b', lines: lines(10, 90), eventIds: null });
  expect(await pruneLogs(database.db, 'a', LINE_BYTES * 40)).toBe(50);
  expect(await pruneLogs(database.db, 'a', LINE_BYTES * 40)).toBe(0);
  expect(await pruneLogs(database.db, 'a', LINE_BYTES * 30)).toBe(10);
  expect(await readLogs(database.db, 'a')).toEqual({ lines: lines(70, 30), linesCut: 60 });
  expect((await readLogs(database.db, 'b')).lines).toHaveLength(90);
});

test('a flood of empty log lines is dropped too', async () => {
  await insertFreeVms(database.db, ['a']);
  await appendLogs(database.db, {
    hostname: 'a',
    lines: Array.from({ length: 500 }, () => ''),
    eventIds: null,
  });
  expect(await pruneLogs(database.db, 'a', 6_400)).toBe(400);
});

test('logs never exceed the limit and its slack, also after a restart', async () => {
  await insertFreeVms(database.db, ['a']);
  const maxBytes = 72_000;
  await appendLogs(database.db, { hostname: 'a', lines: lines(1000, 3000), eventIds: null });
  const limiter = createLogLimiter(database.db, maxBytes);
  for (let batch = 0; batch < 40; batch++) {
    const added = lines(5000 + batch * 10, 10);
    await appendLogs(database.db, { hostname: 'a', lines: added, eventIds: null });
    await limiter.appended('a', logBytes(added));
    const { lines: kept } = await readLogs(database.db, 'a');
    expect(logBytes(kept)).toBeLessThanOrEqual(maxBytes * 1.1);
  }
  const stored = await readLogs(database.db, 'a');
  expect(stored.lines.at(-1)).toBe('line 5399');
  expect(stored.linesCut + stored.lines.length).toBe(3400);
});
