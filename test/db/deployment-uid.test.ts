import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { deploymentUid } from '../../src/app/identity.ts';
import { createTestDatabase } from '../support/postgres.ts';

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'lablink-uid-'));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

test('the uid is created once, survives a wiped database and a lost folder, and is shared by all servers of a database', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const uidIn = (dataDir: string) => deploymentUid({ dataDir, database: { db } } as never);
  const [one, other] = [await folder(), await folder()];
  const uid = await uidIn(one);
  expect(uid).toMatch(/^[\w-]{22}$/);
  expect(await uidIn(one)).toBe(uid);
  // Another allocator on the same database; its folder follows.
  expect(await uidIn(other)).toBe(uid);
  expect((await readFile(join(other, 'deployment-uid'), 'utf8')).trim()).toBe(uid);
  await sql`truncate deployment_identity`.execute(db);
  expect(await uidIn(other)).toBe(uid);
  expect(await uidIn(await folder())).toBe(uid);
});
