// Where Pulumi stores its state and what encrypts it; and the check value of the passphrase in a folder.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkInBucket, locationInBucket } from '../../src/provision/aws/bucket-check.ts';
import { checkPassphrase } from '../../src/provision/engine/passphrase-check.ts';
import { stateBackend } from '../../src/provision/engine/state-backend.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lablink-place-'));
});
afterAll(() => rm(folder, { recursive: true }));

const backendOf = (more: { backendUrl?: string; secretsProvider?: string; passphrase?: string }) =>
  stateBackend({
    backendUrl: undefined,
    secretsProvider: undefined,
    deployment: { name: 'lab', environment: 'test' },
    folder: join(folder, 'state'),
    root: folder,
    passphrase: 'one',
    checkInCloud: checkInBucket,
    ...more,
  });

test('a state in a folder has its passphrase', () => {
  expect(backendOf({})).toMatchObject({
    backendUrl: `file://${folder}/state`,
    stack: 'organization/lablink-lab/test',
    secretsProvider: 'passphrase',
    passphrase: 'one',
  });
});

test.each([
  ['s3://lab', 'lablink-check.lablink-lab.test', null],
  ['s3://lab/a/b/', 'a/b/lablink-check.lablink-lab.test', null],
  ['s3://lab/a?region=eu-west-1', 'a/lablink-check.lablink-lab.test', 'eu-west-1'],
])('the check value of a state in the bucket %s is next to the state', (backendUrl, key, region) => {
  expect(locationInBucket(backendUrl, 'lablink-check.lablink-lab.test')).toEqual({
    bucket: 'lab',
    key,
    region,
  });
  expect(backendOf({ backendUrl })).toMatchObject({ backendUrl, stackFile: null });
});

test('a state that a cloud key encrypts has no passphrase and no check value', () => {
  const secretsProvider = 'awskms://alias/lablink?region=us-west-2';
  expect(backendOf({ secretsProvider })).toMatchObject({ secretsProvider, passphrase: null, check: null });
});

test('the first of several concurrent passphrases counts, and another passphrase is rejected', async () => {
  const given = ['one', 'one', 'one', 'two', 'two', 'two'];
  const results = await Promise.all(given.map((passphrase) => checkPassphrase(backendOf({ passphrase }))));
  const first = results[0]?.ok ? 'one' : 'two';
  expect(results.map(({ ok }) => ok)).toEqual(given.map((passphrase) => passphrase === first));
  expect(await readdir(join(folder, 'state'))).toEqual(['lablink-check.lablink-lab.test']);
});

test('a folder that cannot be used for the state is reported', async () => {
  await writeFile(join(folder, 'file'), '');
  const result = await checkPassphrase(backendOf({ backendUrl: `file://${folder}/file/state` }));
  const message: unknown = expect.stringContaining('cannot be used');
  expect(result).toMatchObject({ ok: false, failure: { code: 'engine', message } });
});
