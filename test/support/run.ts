// The program behind `make test`: runs vitest, then prints the slowest files and the outcome in one line.
import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { endLeftovers } from './leftovers.ts';

const root = join(import.meta.dirname, '..', '..');
const results = join(root, '.cache', 'test-results.json');

const resultsSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      startTime: z.number(),
      endTime: z.number(),
      assertionResults: z.array(z.unknown()),
    }),
  ),
});
type Results = z.infer<typeof resultsSchema>;

const SLOWEST = 20;

/** Returns Vitest's exit code, or 1 if a signal ended it. Vitest receives Ctrl-C too; this process stays for the result. */
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

async function readResults(): Promise<Results | undefined> {
  const text = await readFile(results, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : resultsSchema.parse(JSON.parse(text));
}

/** The slowest files with their seconds, slowest first. */
function slowestFiles({ testResults }: Results): string {
  const files = testResults
    .map(({ name, startTime, endTime }) => ({
      name: relative(root, name),
      seconds: (endTime - startTime) / 1000,
    }))
    .toSorted((a, b) => b.seconds - a.seconds)
    .slice(0, SLOWEST);
  return files.map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`).join('\n');
}

/** A file that cannot be loaded and an error outside of all tests each count as one failed test. */
function summarize(read: Results, exitCode: number): string {
  const broken = read.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const counted = read.numFailedTests + broken.length;
  const failed = counted === 0 && exitCode !== 0 ? 1 : counted;
  const skipped = read.numPendingTests + read.numTodoTests;
  return `${read.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

await mkdir(join(root, '.cache'), { recursive: true });
await rm(results, { force: true });
const exitCode = await runVitest(process.argv.slice(2));
await endLeftovers();
const read = await readResults();
if (read) console.log(`The ${SLOWEST} slowest test files:\n${slowestFiles(read)}\n`);
console.log(read ? summarize(read, exitCode) : '0 passed, 1 failed');
process.exitCode = exitCode;
