// The program behind `make test`: runs vitest, ends what tests left running, and prints the summary last.
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endLeftovers } from './leftovers.ts';

const root = join(import.meta.dirname, '..', '..');
/** Every worker and every program of the tests reads what an earlier one compiled: a third of the time of a start. */
const compileCache = join(root, '.cache', 'compiled');
const summary = join(root, '.cache', 'test-summary.txt');

/** Returns Vitest's exit code, or 1 if a signal ended it. Vitest receives Ctrl-C too; this process stays for the result. */
function runVitest(args: readonly string[]): Promise<number> {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TEST_SUMMARY: summary, NODE_COMPILE_CACHE: compileCache },
  });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

await mkdir(join(root, '.cache'), { recursive: true });
await rm(summary, { force: true });
const exitCode = await runVitest(process.argv.slice(2));
await endLeftovers();
const nothing = '0 passed, 0 failed\n';
const read = await readFile(summary, 'utf8').catch(() => nothing);
// Vitest can also fail by itself, with no failed test.
process.stdout.write(exitCode === 0 ? read : read.replace(/ 0 failed/, ' 1 failed'));
process.exitCode = exitCode;
