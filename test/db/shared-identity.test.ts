// Allocators that share a database have one secret, one SSH key and one forwarder token, each from its own data folder.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StartError } from '../../src/app/context.ts';
import { openIdentity, type Identity } from '../../src/app/identity.ts';
import { deriveKey } from '../../src/secrets.ts';
import { loadOrMakeSshKeyPair } from '../../src/ssh/kept-key.ts';
import { unseal } from '../../src/ssh/seal.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { good } from '../support/load-config.ts';

const SECRET = 'the secret of all allocators of this database';

let database: TestDatabase;
let folders: string[];
beforeEach(async () => {
  database = await createTestDatabase();
  folders = [await newFolder(), await newFolder()];
});
afterEach(async () => {
  await database[Symbol.asyncDispose]();
  for (const folder of folders) await rm(folder, { recursive: true });
});

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'lablink-test-'));

function open(index: number, env: Record<string, string> = {}): Promise<Identity> {
  const { config } = good({ SECRET_KEY: SECRET, PROVIDER: 'aws', ...env });
  const { db, connectionString } = database;
  const shares = { people: db, machines: db, others: db };
  const data = {
    dataDir: folders[index] ?? '',
    database: { db, shares, connectionString, notes: [] },
    alone: false,
  };
  return openIdentity({ config }, data);
}

test('the second allocator has the SSH key and the forwarder token of the first, and keeps the key in its folder', async () => {
  const [first, second] = [await open(0), await open(1)];
  expect(second.sshKey.privateKey).toBe(first.sshKey.privateKey);
  expect(second.sshKey.publicKey).toBe(first.sshKey.publicKey);
  expect(first.forwarderToken).toMatch(/^[\w-]{40,}$/);
  expect(second.forwarderToken).toBe(first.forwarderToken);
  const kept = await loadOrMakeSshKeyPair(folders[1] ?? '', deriveKey(SECRET, 'ssh-key/1'));
  if (!kept.ok) throw new Error(kept.failure.message);
  expect(kept.value.publicKey).toBe(first.sshKey.publicKey);
  expect(await readFile(join(folders[1] ?? '', 'ssh/id_ed25519.pub'), 'utf8')).toContain(
    first.sshKey.publicKey,
  );
});

test('a second allocator that had an SSH key of its own keeps it next to the shared one', async () => {
  const key = deriveKey(SECRET, 'ssh-key/1');
  const earlier = await loadOrMakeSshKeyPair(folders[1] ?? '', key);
  if (!earlier.ok) throw new Error(earlier.failure.message);
  const [first, second] = [await open(0), await open(1)];
  expect(second.sshKey.publicKey).toBe(first.sshKey.publicKey);
  const replaced = unseal(await readFile(`${earlier.value.path}.replaced`, 'utf8'), key);
  expect(replaced).toEqual({ ok: true, value: earlier.value.privateKey });
});

test('the database has no secret in plain text', async () => {
  const { sshKey, forwarderToken } = await open(0);
  const rows = JSON.stringify(await database.db.selectFrom('deployment_identity').selectAll().execute());
  expect(rows).toContain('lablink-sealed/1');
  const secretLine = sshKey.privateKey.split('\n')[2] ?? 'none';
  for (const secret of [SECRET, forwarderToken ?? 'none', secretLine]) expect(rows).not.toContain(secret);
});

test('an allocator with another SECRET_KEY is refused by the fingerprint alone, says what to do, and stores nothing', async () => {
  await open(0);
  await database.db
    .updateTable('deployment_identity')
    .set({ ssh_key: null, forwarder_token: null })
    .execute();
  const refused = await open(1, { SECRET_KEY: 'quite another secret, just as long' }).catch(
    (error: unknown) => error,
  );
  if (!(refused instanceof StartError)) throw new Error(`not refused: ${String(refused)}`);
  expect(refused.failure.code).toBe('other_secret_key');
  expect(refused.failure.remedy).toContain('Set SECRET_KEY');
  const left = await database.db.selectFrom('deployment_identity').selectAll().executeTakeFirstOrThrow();
  expect([left.ssh_key, left.forwarder_token]).toEqual([null, null]);
  // The first one still starts.
  expect((await open(0)).secretKey).toBe(SECRET);
});

test('after the way out for a lost key, an allocator with a new key starts', async () => {
  await open(0);
  await database.db
    .updateTable('deployment_identity')
    .set({ secret_fingerprint: null, ssh_key: null, forwarder_token: null })
    .execute();
  const fresh = 'a new secret, because the old one is lost';
  expect((await open(1, { SECRET_KEY: fresh })).secretKey).toBe(fresh);
});
