import { expect, test } from 'vitest';
import type { Db } from '../../src/db/connect.ts';
import { appendLogs, pruneLogs, readLogTail } from '../../src/db/logs.ts';
import { LOG_LIMITS, tailLogs, type LogTailItem } from '../../src/delivery/log-tail.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { insertFreeVms } from '../support/rows.ts';

const hostname = 'vm-1';

async function append(db: Db, lines: readonly string[]): Promise<void> {
  await appendLogs(db, { hostname, lines, eventIds: null });
}

const numbered = (count: number, from = 1): string[] =>
  Array.from({ length: count }, (_, index) => `line ${from + index}`);

type Follower = AsyncDisposable & {
  /** The next lines; what else comes is passed over. */
  readonly lines: () => Promise<{
    readonly number: number;
    readonly texts: readonly string[];
    readonly id: number;
  }>;
  readonly next: () => Promise<LogTailItem>;
};

function follow(db: Db, after = 0): Follower {
  const leaving = new AbortController();
  const items = tailLogs({ db, hostname, after, readMs: 5, signal: leaving.signal });
  const next = async (): Promise<LogTailItem> => {
    const result = await items.next();
    if (result.done === true) throw new Error('the tail has ended');
    return result.value;
  };
  return {
    next,
    lines: async () => {
      for (;;) {
        const item = await next();
        if (item.kind !== 'lines') continue;
        const { number, lines } = item;
        return { number, texts: lines.map(({ line }) => line), id: lines.at(-1)?.id ?? 0 };
      }
    },
    [Symbol.asyncDispose]: async () => {
      leaving.abort();
      await items.return();
    },
  };
}

test('a viewer receives the existing lines, then new ones, with numbers, and can continue after the last line', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  await append(db, ['one', 'two']);
  await using viewer = follow(db);
  expect(await viewer.next()).toEqual({ kind: 'status', status: 'running' });
  const first = await viewer.lines();
  expect(first).toMatchObject({ number: 1, texts: ['one', 'two'] });
  await append(db, ['three']);
  expect(await viewer.lines()).toMatchObject({ number: 3, texts: ['three'] });
  await append(db, ['four']);
  await using again = follow(db, first.id);
  expect(await again.lines()).toMatchObject({ number: 3, texts: ['three', 'four'] });
});

test('many lines come in batches, and none is lost between them', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  await append(db, numbered(2_500));
  await using viewer = follow(db);
  const batches = [await viewer.lines(), await viewer.lines(), await viewer.lines()];
  expect(batches.map(({ number, texts }) => [number, texts.length])).toEqual([
    [1, 1_000],
    [1_001, 1_000],
    [2_001, 500],
  ]);
  expect(batches.flatMap(({ texts }) => texts)).toEqual(numbered(2_500));
});

test('a viewer who is too far behind skips to the newest lines, and the number shows the gap', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  const count = LOG_LIMITS.behind + 5;
  await append(db, numbered(count));
  await using viewer = follow(db);
  const { number, texts } = await viewer.lines();
  expect(number).toBe(count - LOG_LIMITS.behind / 2 + 1);
  expect(texts[0]).toBe(`line ${number}`);
});

test('line numbers stay right when older lines are dropped', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  await append(db, numbered(10));
  await using viewer = follow(db);
  const { id } = await viewer.lines();
  await pruneLogs(db, hostname, 3 * (64 + 7));
  await append(db, numbered(1, 11));
  expect(await viewer.lines()).toMatchObject({ number: 11, texts: ['line 11'] });
  await using again = follow(db, id);
  expect(await again.lines()).toMatchObject({ number: 11, texts: ['line 11'] });
  await using fresh = follow(db);
  const { number, texts } = await fresh.lines();
  expect(texts[0]).toBe(`line ${number}`);
  const tail = await readLogTail(db, hostname, { limit: 2, maxLength: 100 });
  expect(tail.lines.map(({ line }) => line)).toEqual(['line 10', 'line 11']);
  expect(tail.linesCut + tail.older).toBe(9);
});

test('a viewer receives very long lines shortened', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  await append(db, ['x'.repeat(10_000)]);
  await using viewer = follow(db);
  expect((await viewer.lines()).texts[0]).toHaveLength(LOG_LIMITS.lineLength + 1);
});

test('the stream reports a destroyed VM and ends', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  const seen: string[] = [];
  for await (const item of tailLogs({
    db,
    hostname,
    after: 0,
    readMs: 5,
    signal: new AbortController().signal,
  })) {
    seen.push(item.kind);
    if (item.kind === 'status') await db.deleteFrom('vms').execute();
  }
  expect(seen).toEqual(['status', 'gone']);
});

test('simultaneous batches of one VM stay whole, and a reader misses no line', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await insertFreeVms(db, [hostname]);
  await using viewer = follow(db);
  const writing = Promise.all(numbered(40).map((name) => append(db, [name, `${name} again`])));
  const seen: string[] = [];
  while (seen.length < 80) seen.push(...(await viewer.lines()).texts);
  await writing;
  expect(new Set(seen).size).toBe(80);
  for (const name of numbered(40)) expect(seen[seen.indexOf(name) + 1]).toBe(`${name} again`);
});
