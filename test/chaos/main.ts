// `make chaos`: runs with faults until the first broken invariant, the number of runs or the end of the time.
// SEED: of the first run; the others follow. RUNS, SECONDS: how many and how long at most. WINDOW: seconds of faults in a run.
// DEEP=1: also half-open connections that nobody ends. ALLOCATORS: 1 or 2.
import { setTimeout as delay } from 'node:timers/promises';
import { runOnce } from './run.ts';
import { describeSchedule } from './schedule.ts';
import { openSession } from './session.ts';

const STUCK_MS = 300_000;

function numberOf(name: string, standard: number): number {
  const text = process.env[name] ?? '';
  const value = text === '' ? standard : Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} is ${text}, which is not a number.`);
  return value;
}

async function main(): Promise<number> {
  const seed = numberOf('SEED', Math.floor(Math.random() * 1_000_000));
  const runs = numberOf('RUNS', 5);
  const seconds = numberOf('SECONDS', 600);
  const windowMs = numberOf('WINDOW', 8) * 1_000;
  const isDeep = numberOf('DEEP', 0) > 0;
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interrupted.abort());
  console.log(
    `chaos: SEED=${seed} RUNS=${runs} SECONDS=${seconds} WINDOW=${windowMs / 1_000} DEEP=${isDeep ? 1 : 0}`,
  );
  const endsMs = performance.now() + seconds * 1_000;
  await using session = await openSession(numberOf('ALLOCATORS', 2));
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(seconds * 1_000 + STUCK_MS)]);
  for (let index = 0; index < runs && performance.now() < endsMs && !interrupted.signal.aborted; index++) {
    const { schedule, broken, figures } = await runOnce(session, {
      seed: seed + index,
      windowMs,
      isDeep,
      signal,
    });
    const summary = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
    console.log(
      `run ${index + 1}, seed ${schedule.seed}: ${broken.length === 0 ? 'ok' : 'BROKEN'}; ${summary.join(', ')}`,
    );
    if (broken.length === 0) continue;
    for (const { invariant, evidence } of broken) console.log(`BROKEN: ${invariant}\n    ${evidence}`);
    console.log(`The faults of this run:\n${describeSchedule(schedule)}`);
    console.log(
      `Again: make chaos SEED=${schedule.seed} RUNS=1 WINDOW=${windowMs / 1_000} DEEP=${isDeep ? 1 : 0}`,
    );
    return 1;
  }
  return 0;
}

process.exitCode = await main();
// Connections that the SDK keeps open would hold the process for a minute.
await delay(0);
process.exit();
