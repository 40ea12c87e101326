// What the connection that listens passes on.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { listen, type Notice } from '../../src/db/listen.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { CHANNEL } from '../support/rows.ts';

test('the listener passes on what it knows, and ignores all other payloads', async () => {
  await using database = await createTestDatabase();
  const told: Notice[] = [];
  const result = await listen({
    connectionString: database.connectionString,
    channel: CHANNEL,
    db: database.db,
    onNotice: (notice) => told.push(notice),
    onConnected: () => undefined,
    onError: () => undefined,
  });
  if (!result.ok) throw new Error(result.failure.message);
  for (const payload of [
    'not json',
    '[]',
    'null',
    '{"HostName": 3}',
    '{"PolledAgain": "a"}',
    '{"HostName": "a"}',
    '{"PolledAgain": "b", "At": "x"}',
  ]) {
    await sql`select pg_notify(${CHANNEL}, ${payload})`.execute(database.db);
  }
  await expect
    .poll(() => told)
    .toEqual([
      { kind: 'command', hostname: 'a' },
      { kind: 'poll', hostname: 'b', allocator: 'x' },
    ]);
  await result.value.close();
});
