// Where the state is and what protects it, as the engine is told; and the check value of the passphrase on a disk.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkPassphrase, statePlace } from '../../src/provision/aws/state-place.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lablink-place-'));
});
afterAll(() => rm(folder, { recursive: true }));

const placeOf = (more: { backendUrl?: string; secretsProvider?: string; passphrase?: string }) =>
  statePlace({
    backendUrl: undefined,
    secretsProvider: undefined,
    deployment: { name: 'lab', environment: 'test' },
    folder: join(folder, 'state'),
    root: folder,
    passphrase: 'one',
    ...more,
  });

test('on a disk: a folder, a passphrase, and the check value beside it', () => {
  expect(placeOf({})).toMatchObject({
    backendUrl: `file://${folder}/state`,
    stack: 'organization/lablink-lab/test',
    secretsProvider: 'passphrase',
    passphrase: 'one',
    check: { kind: 'file', path: join(folder, 'state/lablink-check.lablink-lab.test') },
  });
});

test.each([
  ['s3://lab', 'lablink-check.lablink-lab.test', null],
  ['s3://lab/a/b/', 'a/b/lablink-check.lablink-lab.test', null],
  ['s3://lab/a?region=eu-west-1', 'a/lablink-check.lablink-lab.test', 'eu-west-1'],
])('in a bucket (%s): the check value is beside the state', (backendUrl, key, region) => {
  const check = { kind: 'bucket', bucket: 'lab', key, region };
  expect(placeOf({ backendUrl })).toMatchObject({ backendUrl, check, stackFile: null });
});

test('with a key of a cloud there is no passphrase, and nothing to check', () => {
  const secretsProvider = 'awskms://alias/lablink?region=us-west-2';
  expect(placeOf({ secretsProvider })).toMatchObject({ secretsProvider, passphrase: null, check: null });
});

test('the first passphrase counts, also of many that come at once; another one is told of', async () => {
  const given = ['one', 'one', 'one', 'two', 'two', 'two'];
  const found = await Promise.all(given.map((passphrase) => checkPassphrase(placeOf({ passphrase }))));
  const first = found[0] === null ? 'one' : 'two';
  expect(found.map((failure) => failure === null)).toEqual(given.map((passphrase) => passphrase === first));
  expect(await readdir(join(folder, 'state'))).toEqual(['lablink-check.lablink-lab.test']);
});

test('a place that cannot be used is said', async () => {
  await writeFile(join(folder, 'file'), '');
  const failure = await checkPassphrase(placeOf({ backendUrl: `file://${folder}/file/state` }));
  expect(failure).toMatchObject({ kind: 'engine' });
  expect(failure?.problem).toContain('cannot be used');
});
