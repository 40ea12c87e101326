// Runs Schemathesis on a served contract, and reads its report.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Where `make python` installs it. */
export const SCHEMATHESIS = fileURLToPath(
  new URL('../../.cache/python/schemathesis/bin/schemathesis', import.meta.url),
);
const CONFIG = new URL('../fuzz/schemathesis.toml', import.meta.url);

/** `FUZZ_SEED=<seed>` repeats a run: each failure is kept as a test of its own. */
export function fuzzSeed(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const given = env['FUZZ_SEED'];
  if (given === undefined || given === '') return seedOf(commit());
  if (!/^\d{1,9}$/.test(given))
    throw new Error(`FUZZ_SEED must be a number of up to nine digits, not "${given}".`);
  return Number(given);
}

/** One for each commit. */
export function seedOf(commitId: string): number {
  return createHash('sha256').update(commitId).digest().readUInt32BE() % 1_000_000_000;
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // A copy without its history.
    return 'no commit';
  }
}

const reportSchema = z.object({
  stop_reason: z.string(),
  complete: z.boolean(),
  operations: z.object({ selected: z.number(), tested: z.number(), errored: z.number() }),
  test_cases: z.object({ generated: z.number(), with_failures: z.number(), errored: z.number() }),
  failures: z.array(z.object({ title: z.string(), operations: z.array(z.string()) })),
  errors: z.array(z.object({ title: z.string() })),
});

/** The result, and the whole output. */
export type FuzzReport = z.infer<typeof reportSchema> & { readonly output: string };

/**
 * Tests the server at this address with requests generated from its contract, as configured in schemathesis.toml.
 *
 * @param run.config added to that file
 */
export async function runSchemathesis(
  url: string,
  run: { readonly config: string; readonly args: readonly string[]; readonly seed: number },
): Promise<FuzzReport> {
  const folder = await mkdtemp(join(tmpdir(), 'lablink-fuzz-'));
  try {
    const config = join(folder, 'schemathesis.toml');
    const report = join(folder, 'report.json');
    await writeFile(config, (await readFile(CONFIG, 'utf8')) + run.config);
    const output = await runProgram(folder, [
      `--config-file=${config}`,
      'run',
      `${url}/openapi.yaml`,
      '--report=json',
      `--report-json-path=${report}`,
      '--no-color',
      `--seed=${run.seed}`,
      ...run.args,
    ]);
    const text = await readFile(report, 'utf8').catch(() => {
      throw new Error(`Schemathesis wrote no report:\n${output}`);
    });
    return { ...reportSchema.parse(JSON.parse(text)), output };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runProgram(cwd: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(SCHEMATHESIS, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, COLUMNS: '120' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', () => resolve(output));
  });
}
