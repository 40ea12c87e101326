// `make chaos-model`: runs of the model until the first broken invariant. SEED: of the first one; RUNS: how many.
import { runModel } from './run.ts';

const first = Number(process.env['SEED'] ?? 0);
const runs = Number(process.env['RUNS'] ?? 10_000);
const startedMs = performance.now();

let statements = 0;
for (let seed = first; seed < first + runs && process.exitCode === undefined; seed++) {
  const result = await runModel(seed);
  statements += result.statements;
  if (result.broken.length === 0) continue;
  for (const { invariant, evidence } of result.broken) console.log(`BROKEN: ${invariant}\n    ${evidence}`);
  console.log(`What happened:\n${result.history.join('\n')}`);
  console.log(`Again: make chaos-model SEED=${seed} RUNS=1`);
  process.exitCode = 1;
}
if (process.exitCode === undefined) {
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  console.log(
    `${runs} runs from seed ${first}, no invariant broken: ${statements} statements in ${seconds} s`,
  );
}
