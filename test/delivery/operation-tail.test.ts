import { expect, test } from 'vitest';
import { appendOperationEvents } from '../../src/db/operation-events.ts';
import { endOperation, insertOperation, takeOperation } from '../../src/db/operations.ts';
import type { Db } from '../../src/db/connect.ts';
import { tailOperation, type TailItem } from '../../src/delivery/operation-tail.ts';
import { createTestDatabase } from '../support/postgres.ts';

const NOBODY_LEAVES = new AbortController().signal;

async function begin(db: Db): Promise<string> {
  const id = crypto.randomUUID();
  await insertOperation(db, { id, kind: 'launch', requestedBy: 'ada', numVms: 1 });
  await takeOperation(db, { id, owner: 'me', leaseMs: 60_000 });
  return id;
}

async function end(db: Db, id: string): Promise<void> {
  const progress = { done: 1, failed: 0, total: 1 };
  await endOperation(db, { id, owner: 'me' }, { status: 'succeeded', problem: null, progress });
}

function append(db: Db, id: string, texts: readonly string[]): Promise<void> {
  const at = new Date();
  const events = texts.map((text) => ({ at, level: 'info', hostname: null, text }) as const);
  return appendOperationEvents(db, id, events);
}

function tail(db: Db, id: string, after = 0, signal = NOBODY_LEAVES) {
  return tailOperation({ db, id, after, readMs: 5, signal });
}

const textOf = (item: TailItem): string => (item.kind === 'output' ? item.event.text : `[${item.kind}]`);

test('a viewer receives the output, the state and the end of an operation', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await begin(db);
  await append(db, id, ['one', 'two']);
  const seen: string[] = [];
  for await (const item of tail(db, id)) {
    seen.push(textOf(item));
    if (item.kind === 'operation') {
      await append(db, id, ['three']);
      await end(db, id);
    }
  }
  expect(seen).toEqual(['one', 'two', '[operation]', 'three', '[end]']);
});

test('a viewer who reconnects continues after the last line, and no line is lost or repeated', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await begin(db);
  const all = Array.from({ length: 1_300 }, (_, index) => `line ${index}`);
  const writing = (async () => {
    for (let index = 0; index < all.length; index += 50) await append(db, id, all.slice(index, index + 50));
    await end(db, id);
  })();
  const seen: string[] = [];
  let after = 0;
  let isOver = false;
  while (!isOver) {
    let lines = 0;
    for await (const item of tail(db, id, after)) {
      isOver = item.kind === 'end';
      if (item.kind !== 'output') continue;
      seen.push(item.event.text);
      after = item.event.id;
      lines += 1;
      if (lines === 77) break;
    }
  }
  await writing;
  expect(seen).toEqual(all);
});

test('lines of several writers become visible in the order of their ids', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await begin(db);
  const slow = await db.startTransaction().execute();
  await append(slow, id, ['first']);
  const second = append(db, id, ['second']);
  const seen: string[] = [];
  const reading = (async () => {
    for await (const item of tail(db, id)) {
      if (item.kind === 'output') seen.push(item.event.text);
      if (seen.length === 2) return;
    }
  })();
  await db.selectFrom('operations').selectAll().execute();
  await slow.commit().execute();
  await Promise.all([second, reading]);
  expect(seen).toEqual(['first', 'second']);
});

test('a stream ends when its viewer leaves, and a finished operation is sent at once', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const id = await begin(db);
  const leaving = new AbortController();
  const items: string[] = [];
  for await (const item of tail(db, id, 0, leaving.signal)) {
    items.push(textOf(item));
    leaving.abort();
  }
  expect(items).toEqual(['[operation]']);
  await append(db, id, ['late']);
  await end(db, id);
  expect((await Array.fromAsync(tail(db, id))).map(textOf)).toEqual(['late', '[end]']);
  expect(await Array.fromAsync(tail(db, crypto.randomUUID()))).toEqual([]);
});
