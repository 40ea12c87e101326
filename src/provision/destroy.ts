// A destroy: nobody is given a machine any more, the provider ends them all, and only when it says that nothing is left
// is it a success. Machines that come by themselves are not ours to end: their rows are cleared.
import { listMachineRows, markDestroying, removeGone } from '../db/fleet.ts';
import { planOperationVms, recordOperationVms, finishOperationVms } from '../db/operation-vms.ts';
import { machines as machinesWord } from '../vms/operation.ts';
import { createReport, type RunReport } from './report.ts';
import { callProvider, problemOf, type Outcome, type Run } from './run.ts';
import { settle } from './settle.ts';

/** As many names are said in a sentence. */
const NAMES_SAID = 10;

export async function runDestroy(run: Run): Promise<Outcome> {
  const { db, provider, control, tell, progress } = run;
  const only = run.operation.hostnames;
  const isMeant = ({ hostname }: { readonly hostname: string }): boolean => only?.includes(hostname) ?? true;
  const rows = (await listMachineRows(db)).filter(isMeant);
  await markDestroying(db, [...new Set([provider.name, 'external' as const])], only);
  const comers = rows.filter((row) => row.provider === 'external').map(({ hostname }) => hostname);
  tellOfOthers(run, rows);
  if (only !== null) tellOfParticipants(run, rows);
  const ours = rows.filter((row) => row.provider === provider.name && row.provider !== 'external');
  const listed = (await provider.list()).filter(isMeant);
  const names = new Set([...ours, ...listed].map(({ hostname }) => hostname));
  progress.add({ total: names.size + comers.length });
  await planOperationVms(db, run.operation.id, [...names, ...comers]);
  tell({
    level: 'info',
    text: names.size > 0 ? `Ending ${machinesWord(names.size)}.` : 'No machines to end.',
  });
  const reporting = createReport(run, null);
  const result = await callProvider(run, () =>
    provider.destroy(only === null ? 'all' : [...names], reporting.report, control.asked, control.forced),
  );
  if (control.reason() === 'lost') return null;
  if (result.ok) await clearComers(run, comers);
  const left = await settleDestroy(run, reporting, isMeant);
  if (!result.ok) return problemOf(result.failure);
  if (left === null) return UNPROVEN;
  if (left.length > 0) return leftOver(left);
  if (only === null) tell({ level: 'info', text: proofs[provider.name] });
  return only !== null && names.size + comers.length === 0 && rows.length > 0 ? leftOver(only) : null;
}

/** Said when the provider was asked, and had nothing more. */
const proofs = {
  aws: 'EC2 was asked: 0 machines with the tags of this deployment are left.',
  local: 'Looked after it: 0 machines of this deployment are left on this computer.',
  external: 'No machine is known here any more.',
} as const satisfies Record<Run['provider']['name'], string>;

/** One machine is destroyed on purpose: whose work goes with it is said by name. */
function tellOfParticipants({ tell }: Run, rows: Awaited<ReturnType<typeof listMachineRows>>): void {
  for (const { hostname, email, provider } of rows)
    if (email !== null && provider !== 'external')
      tell({
        level: 'warning',
        hostname,
        text: `${email} has this machine: what they left on it, and was not collected, is lost with it.`,
      });
}

async function clearComers(
  { db, operation, tell, progress }: Run,
  hostnames: readonly string[],
): Promise<void> {
  if (hostnames.length === 0) return;
  await removeGone(db, hostnames);
  await recordOperationVms(db, operation.id, hostnames, {
    state: 'destroyed',
    detail: 'Cleared from here; it runs on.',
  });
  progress.add({ done: hostnames.length });
  tell({
    level: 'warning',
    text: `Machines that came by themselves run on; they were only cleared from here: ${hostnames.length}.`,
  });
}

/** What the provider still has; null where it could not be asked. */
async function settleDestroy(
  run: Run,
  reporting: RunReport,
  isMeant: (machine: { readonly hostname: string }) => boolean,
): Promise<string[] | null> {
  const { db, provider, tell, progress, control } = run;
  try {
    await reporting.writeRest();
    const { kept, missing, unknown } = await settle(
      { db, provider, tell, signal: control.forced },
      { row: isMeant, orphan: () => false },
    );
    await finishOperationVms(db, run.operation.id, missing, { state: 'destroyed' });
    progress.add({ done: missing.length });
    return [...kept, ...unknown.filter((hostname) => isMeant({ hostname }))];
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
