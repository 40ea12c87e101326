import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { requirePart } from '../support/required.ts';

const scripts = ['../../infra/boot', 'stand-ins'].flatMap((folder) => {
  const path = fileURLToPath(new URL(folder, import.meta.url));
  return readdirSync(path).map((name) => join(path, name));
});
const hasShellCheck = requirePart(
  'ShellCheck',
  spawnSync('shellcheck', ['--version']).status === 0,
  'Install the package shellcheck.',
);

describe.skipIf(!hasShellCheck)('ShellCheck', () => {
  test.each(scripts)('ShellCheck finds no problem in %s', (script) => {
    const { status, stdout } = spawnSync('shellcheck', ['--severity=style', script], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});
