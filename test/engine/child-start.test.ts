import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const CHILD = join(import.meta.dirname, '../../src/provision/engine/child');
/** Prints the files that the process of a run loads before its first command. */
const PROGRAM = `
  import { createRequire } from 'node:module';
  await import('${CHILD}/child-main.ts');
  console.log(Object.keys(createRequire('${CHILD}/').cache).join('\\n'));`;

test('the process of a run loads Pulumi without TypeScript and npm’s dependency tree', async () => {
  const args = ['--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toMatch(/@pulumi\/pulumi\/automation\/stack\.js/);
  expect(stdout).not.toMatch(/typescript\/lib|@npmcli\/arborist/);
});
