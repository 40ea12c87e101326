import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, onTestFinished, test } from 'vitest';
import { deploymentUid } from '../../src/app/identity.ts';
import { keepUid, readPlace, recordPlace, takeUid } from '../../src/db/identity.ts';
import { insertOperation } from '../../src/db/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'lablink-uid-'));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

test('the uid is created once, survives a wiped database and a lost folder, and is shared by all servers of a database', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const uidIn = (dataDir: string) => deploymentUid({ dataDir, database: { db } } as never, null);
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

test('a database that has done nothing takes over the uid of the state, and one that has run an operation keeps its own', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  const dataDir = await folder();
  const uidWith = (ofState: string | null) => deploymentUid({ dataDir, database: { db } } as never, ofState);
  const first = await uidWith(null);
  const ofState = 'the-uid-of-the-lost-database';
  expect(await uidWith(ofState)).toBe(ofState);
  expect(await uidWith(null)).toBe(ofState);
  expect((await readFile(join(dataDir, 'deployment-uid'), 'utf8')).trim()).toBe(ofState);
  await insertOperation(db, { id: crypto.randomUUID(), kind: 'launch', requestedBy: 'ada', numVms: 1 });
  expect(await uidWith(first)).toBe(ofState);
});

test('the place of the machines is kept beside the uid, and forgotten with it', async () => {
  await using database = await createTestDatabase();
  const { db } = database;
  await keepUid(db, 'a-uid-of-this-deployment');
  expect(await readPlace(db, 'aws')).toBeNull();
  await recordPlace(db, { region: 'us-east-1', account: '123456789012' });
  expect(await readPlace(db, 'aws')).toEqual({ region: 'us-east-1', account: '123456789012', hasVms: false });
  await db.insertInto('vms').values({ hostname: 'a', provider: 'aws', status: 'running' }).execute();
  expect(await readPlace(db, 'aws')).toMatchObject({ hasVms: true });
  expect(await readPlace(db, 'local')).toMatchObject({ hasVms: false });
  await takeUid(db, 'another-uid-of-a-state');
  expect(await readPlace(db, 'aws')).toBeNull();
});
