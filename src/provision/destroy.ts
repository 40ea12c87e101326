// A destroy: nobody is given a machine any more, the provider ends them all, and only when it says that nothing is left
// is it a success. Machines that come by themselves are not ours to end: their rows are cleared.
import { listMachineRows, markDestroying, removeGone } from '../db/fleet.ts';
import {
  planOperationMachines,
  recordOperationMachines,
  settleOperationMachines,
} from '../db/operation-machines.ts';
import { machines as machinesWord } from '../vms/operation.ts';
import { createReport, type RunReport } from './report.ts';
import { callProvider, type Outcome, type Run } from './run.ts';
import { settle } from './settle.ts';

/** As many names are said in a sentence. */
const NAMES_SAID = 10;

export async function runDestroy(run: Run): Promise<Outcome> {
  const { db, provider, control, tell, progress } = run;
  const rows = await listMachineRows(db);
  await markDestroying(db, [...new Set([provider.name, 'external' as const])]);
  const comers = rows.filter((row) => row.provider === 'external').map(({ hostname }) => hostname);
  tellOfOthers(run, rows);
  const ours = rows.filter((row) => row.provider === provider.name && row.provider !== 'external');
  const listed = await provider.list();
  const names = new Set([...ours, ...listed].map(({ hostname }) => hostname));
  progress.add({ total: names.size + comers.length });
  await planOperationMachines(db, run.operation.id, [...names, ...comers]);
  tell({
    level: 'info',
    text: names.size > 0 ? `Ending ${machinesWord(names.size)}.` : 'No machines to end.',
  });
  const reporting = createReport(run, null);
  const result = await callProvider(run, () =>
    provider.destroy('all', reporting.report, control.asked, control.forced),
  );
  if (control.reason() === 'lost') return null;
  if (result.ok) await clearComers(run, comers);
  const left = await settleDestroy(run, reporting);
  if (!result.ok) return { kind: result.kind, problem: result.problem, remedy: result.remedy };
  if (left === null) return UNPROVEN;
  return left.length === 0 ? null : leftOver(left);
}

async function clearComers(
  { db, operation, tell, progress }: Run,
  hostnames: readonly string[],
): Promise<void> {
  if (hostnames.length === 0) return;
  await removeGone(db, hostnames);
  await recordOperationMachines(db, operation.id, hostnames, {
    state: 'gone',
    detail: 'Cleared from here; it runs on.',
  });
  progress.add({ done: hostnames.length });
  tell({
    level: 'warning',
    text: `Machines that came by themselves run on; they were only cleared from here: ${hostnames.length}.`,
  });
}

/** What the provider still has; null where it could not be asked. */
async function settleDestroy(run: Run, reporting: RunReport): Promise<string[] | null> {
  const { db, provider, tell, progress, control } = run;
  try {
    await reporting.writeRest();
    const { kept, missing, unknown } = await settle(
      { db, provider, tell, signal: control.forced },
      { row: () => true, stranger: () => false },
    );
    await settleOperationMachines(db, run.operation.id, missing, { state: 'gone' });
    progress.add({ done: missing.length });
    return [...kept, ...unknown];
  } catch (error) {
    run.onError(error, 'settling a destroy');
    run.unsettled();
    return null;
  }
}

/** A destroy without proof is none. */
const UNPROVEN = {
  kind: 'engine',
  problem: 'Whether anything is left could not be checked.',
  remedy: 'Destroy again.',
} as const satisfies Outcome;

function leftOver(left: readonly string[]): Outcome {
  const named = left.slice(0, NAMES_SAID).join(', ') + (left.length > NAMES_SAID ? ', …' : '');
  return {
    kind: 'left_over',
    problem: `${machinesWord(left.length)} still ${left.length === 1 ? 'exists' : 'exist'}: ${named}.`,
    remedy: 'Destroy again. If they stay, end them where they run.',
  };
}

/** Machines of a provider that this server does not run now cannot be ended from here: nothing of them is forgotten. */
function tellOfOthers({ provider, tell }: Run, rows: Awaited<ReturnType<typeof listMachineRows>>): void {
  const others = rows.filter((row) => row.provider !== provider.name && row.provider !== 'external');
  for (const { hostname, provider: other } of others)
    tell({
      level: 'warning',
      hostname,
      text: `Belongs to the provider ${other}, and this server runs with ${provider.name}: it stays. Start the server with PROVIDER=${other} to destroy it.`,
    });
}
