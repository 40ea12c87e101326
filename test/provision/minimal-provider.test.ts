// The minimal provider shows how little a provider needs.
import { globSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { providerHost } from '../support/provider-host.ts';
import { minimal } from './minimal/definition.ts';
import { testProvider } from './provider-suite.ts';

testProvider(minimal, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'lablink-minimal-'));
  return {
    open: async (database) => (await minimal.load())(await providerHost({}, { dataDir, database })),
    [Symbol.asyncDispose]: () => rm(dataDir, { recursive: true }),
  };
});

test('a provider that passes the suite needs fewer than 150 lines', () => {
  const files = globSync(join(import.meta.dirname, 'minimal/*.ts'));
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').trimEnd().split('\n'));
  expect(files.length).toBe(2);
  expect(lines.length).toBeLessThan(150);
});
