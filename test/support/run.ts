// The program behind `make test`: runs vitest, then says the outcome in one line.
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { endLeftovers } from './leftovers.ts';

const root = join(import.meta.dirname, '..', '..');
const results = join(root, '.cache', 'test-results.json');

const resultsSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.unknown()) })),
});

/** Vitest's exit code, or 1 where a signal ended it. Ctrl-C reaches it without us; we stay to tell the outcome. */
function runVitest(args: readonly string[]): Promise<number> {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** A file that does not load, and an error outside of every test, count as one failed test each. */
async function summarize(exitCode: number): Promise<string> {
  const text = await readFile(results, 'utf8').catch(() => undefined);
  if (text === undefined) return '0 passed, 1 failed';
  const told = resultsSchema.parse(JSON.parse(text));
  const broken = told.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const counted = told.numFailedTests + broken.length;
  const failed = counted === 0 && exitCode !== 0 ? 1 : counted;
  const skipped = told.numPendingTests + told.numTodoTests;
  return `${told.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

await mkdir(join(root, '.cache'), { recursive: true });
await rm(results, { force: true });
const exitCode = await runVitest(process.argv.slice(2));
await endLeftovers();
console.log(await summarize(exitCode));
process.exitCode = exitCode;
