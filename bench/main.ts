// The program of `make bench`: runs every measurement, or those that ONLY names, and prints one table. Nothing is asserted:
// a missed goal is marked, and the exit code shows only whether everything could be measured.
import { createLifecycle, type Lifecycle } from '../src/lifecycle.ts';
import { createLog } from '../src/log.ts';
import { alone } from './alone.ts';
import { aws } from './aws.ts';
import { backup } from './backup.ts';
import { claims } from './claims.ts';
import { download } from './download.ts';
import { logs } from './logs.ts';
import { notMeasured, type Measurement, type Row } from './measurement.ts';
import { pages } from './pages.ts';
import { rush } from './rush.ts';
import { start } from './start.ts';
import { story } from './story.ts';
import { renderTable } from './table.ts';
import { delivery } from './delivery.ts';
import { waiting } from './waiting.ts';

const measurements: readonly Measurement[] = [
  claims,
  waiting,
  delivery,
  rush,
  alone,
  logs,
  download,
  pages,
  start,
  story,
  aws,
  backup,
];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
/** An allocator stops its Postgres before it ends. */
const CLOSE_TIMEOUT_MS = 40_000;
/** A second signal also waits for an allocator that is starting: if it were killed, its Postgres would stay. */
const FORCED_CLOSE_TIMEOUT_MS = 10_000;

const log = createLog({ level: 'warn', destination: process.stderr });
/** The lifecycle of the current measurement. */
const running: { lifecycle: Lifecycle | null; interrupted: boolean } = {
  lifecycle: null,
  interrupted: false,
};

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The measurements that ONLY names, such as `claims,logs`; null if a name is unknown. */
function chosen(only: string | undefined): readonly Measurement[] | null {
  const names = (only ?? '').split(/[\s,]+/).filter((name) => name !== '');
  if (names.some((name) => !measurements.some((measurement) => measurement.name === name))) return null;
  return names.length === 0 ? measurements : measurements.filter(({ name }) => names.includes(name));
}

/** The first signal closes everything in order; the second one at once. */
function onSignal(): void {
  const graceMs = running.interrupted ? 0 : CLOSE_TIMEOUT_MS;
  running.interrupted = true;
  say(graceMs > 0 ? 'Stopping everything that was started ...' : 'Stopping at once.');
  void (running.lifecycle?.kill(graceMs) ?? Promise.resolve())
    .catch(() => undefined)
    .finally(() => process.exit(EXIT_INTERRUPTED));
}

async function measure(measurement: Measurement): Promise<readonly Row[]> {
  const lifecycle = createLifecycle(log, {
    closeTimeoutMs: CLOSE_TIMEOUT_MS,
    forcedCloseTimeoutMs: FORCED_CLOSE_TIMEOUT_MS,
  });
  running.lifecycle = lifecycle;
  const limit = AbortSignal.timeout(measurement.limitSeconds * 1_000);
  const ended = AbortSignal.any([limit, lifecycle.signal]);
  try {
    const run = measurement.run({ lifecycle, say: (line) => say(`  ${line}`) });
    return await Promise.race([run, rejectsOn(ended)]);
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

function rejectsOn(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

async function main(only: string | undefined): Promise<number> {
  const picked = chosen(only);
  if (picked === null) {
    say(`ONLY takes one or more of these names, separated by commas:`);
    for (const { name, about } of measurements) say(`  ${name.padEnd(8)} ${about}`);
    return EXIT_USAGE;
  }
  const rows: Row[] = [];
  let failed = false;
  for (const measurement of picked) {
    if (running.interrupted) return EXIT_INTERRUPTED;
    say(`${measurement.name}: ${measurement.about}`);
    try {
      rows.push(...(await measure(measurement)));
    } catch (error) {
      failed = true;
      rows.push(notMeasured(measurement.name, error instanceof Error ? error.message : String(error)));
    }
  }
  if (running.interrupted) return EXIT_INTERRUPTED;
  process.stdout.write(`\n${renderTable(rows)}\n`);
  return failed ? EXIT_FAILED : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
const exitCode = await main(process.env['ONLY']);
if (!running.interrupted) process.exit(exitCode);
