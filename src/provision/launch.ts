// A launch: rows are inserted before a VM can report, then the provider creates as many VMs as it can. VMs that were
// created stay; the rows of the others are removed.
import { insertVms, takenHostnames } from '../db/vm-rows.ts';
import { planOperationVms, finishOperationVms, recordOperationVms } from '../db/operation-vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import { fail } from '../result.ts';
import { nextHostnames, type Deployment } from '../vms/hostnames.ts';
import { machines as machinesWord, namesOrCount } from '../vms/operation.ts';
import { hashToken, makeVmToken } from '../vms/token.ts';
import { awaitCanary, type CanaryOptions } from './canary.ts';
import { reconcileFleet } from './apply-actions.ts';
import type { LaunchSpec } from './provider.ts';
import { createRunReport, type RunReport } from './report.ts';
import { callProvider, cleanUpSignal, type Outcome, type Run } from './run.ts';

export type LaunchOptions = {
  readonly deployment: Deployment;
  readonly randomBytes: (count: number) => Buffer;
  readonly canary: CanaryOptions;
};

/** Another launch or a registration may take hostnames at the same time; then others are tried, this often. */
const NAMING_ATTEMPTS = 5;

/** All VMs at once, or the canary and then the others. The outcome is not used if the lease was lost. */
export async function runLaunch(
  run: Run,
  operation: OperationRecord,
  options: LaunchOptions,
): Promise<Outcome> {
  const wanted = operation.numVms ?? 0;
  run.progress.add({ total: wanted });
  const { above } = options.canary;
  const withCanary = above !== null && wanted > above && wanted > 1;
  const first = await launchBatch(run, operation, options, withCanary ? 1 : wanted);
  const batches = [first];
  let { outcome } = first;
  const [canary] = first.report.created.keys();
  if (withCanary && outcome.ok && canary !== undefined) {
    const text = `Created first, alone; ${wanted - 1} more follow when it has reported.`;
    run.emit({ level: 'info', hostname: canary, text });
    outcome = await awaitCanary(run, canary, options.canary);
    if (outcome.ok) {
      const rest = await launchBatch(run, operation, options, wanted - 1);
      batches.push(rest);
      outcome = rest.outcome;
    }
  }
  if (run.control.reason() === 'lost') return outcome;
  const found = await reconcileLaunch(run, operation.id, batches);
  return judge(outcome, found, wanted);
}

type Batch = {
  readonly hostnames: readonly string[];
  readonly report: RunReport;
  readonly outcome: Outcome;
};

async function launchBatch(
  run: Run,
  operation: OperationRecord,
  options: LaunchOptions,
  count: number,
): Promise<Batch> {
  const { provider, control, emit } = run;
  const { id: operationId, shutdownAt } = operation;
  const vms = await insertRows(run, { operationId, shutdownAt, provider: provider.name }, options, count);
  const hostnames = vms.map(({ hostname }) => hostname);
  await planOperationVms(run.db, operationId, hostnames);
  emit({ level: 'info', text: `Launching ${machinesWord(count)}: ${hostnames.join(', ')}.` });
  const report = createRunReport(run, operationId, new Set(hostnames));
  const outcome = await callProvider(run, () =>
    provider.launch({ operationId, shutdownAt, vms }, report.report, control.signal, control.forceSignal),
  );
  return { hostnames, report, outcome };
}

/** Chooses hostnames and generates tokens; only the hashes of the tokens are stored. */
async function insertRows(
  { db, provider }: Run,
  launch: Parameters<typeof insertVms>[1],
  { deployment, randomBytes }: LaunchOptions,
  count: number,
): Promise<LaunchSpec['vms']> {
  const existing = [...(await provider.list()), ...((await provider.listForeign?.()) ?? [])];
  const listed = existing.map(({ hostname }) => hostname);
  const inserted: { hostname: string; token: string }[] = [];
  for (let attempt = 0; attempt < NAMING_ATTEMPTS && inserted.length < count; attempt += 1) {
    const taken = new Set([...(await takenHostnames(db)), ...listed]);
    const wanted = nextHostnames(deployment, count - inserted.length, taken).map((hostname) => ({
      hostname,
      token: makeVmToken(randomBytes),
    }));
    const rows = wanted.map(({ hostname, token }) => ({ hostname, tokenHash: hashToken(token) }));
    const free = new Set(await insertVms(db, launch, rows));
    inserted.push(...wanted.filter(({ hostname }) => free.has(hostname)));
  }
  if (inserted.length < count) throw new Error('no free hostnames were found');
  return inserted;
}

type Found = {
  readonly kept: number;
  /** Created, not to be kept, and not destroyed yet. */
  readonly undestroyed: readonly string[];
  /** False if the provider could not list its VMs. */
  readonly isKnown: boolean;
};

async function reconcileLaunch(run: Run, id: string, batches: readonly Batch[]): Promise<Found> {
  const { db, emit, progress, onError, requestReconcile } = run;
  try {
    for (const { report } of batches) await report.writeRest();
    const reconciled = await reconcileFleet({ ...run, signal: cleanUpSignal() }, id);
    const own = (vms: readonly { hostname: string; operationId: string | null }[]): string[] =>
      vms.filter(({ operationId }) => operationId === id).map(({ hostname }) => hostname);
    const kept = own(reconciled.kept);
    const undestroyed = own(reconciled.undestroyed);
    await finishOperationVms(db, id, kept, { state: 'created' });
    await recordOperationVms(db, id, undestroyed, { state: 'failed', detail: UNDESTROYED });
    const hostnames = batches.flatMap((batch) => batch.hostnames);
    await finishOperationVms(db, id, hostnames, { state: 'failed', detail: 'It was not created.' });
    const failed = new Set(batches.flatMap(({ report }) => [...report.failed.keys()]));
    const unreported = own(reconciled.missing).filter((hostname) => !failed.has(hostname));
    progress.add({ done: kept.length - progress.get().done, failed: unreported.length });
    if (undestroyed.length > 0) requestReconcile();
    return { kept: kept.length, undestroyed, isKnown: true };
  } catch (error) {
    onError(error, 'reconciling a launch');
    requestReconcile();
    emit({ level: 'warning', text: 'Could not check whether all machines exist; look at the machines.' });
    const kept = batches.reduce((sum, { report }) => sum + report.created.size, 0);
    return { kept, undestroyed: [], isKnown: false };
  }
}

const UNDESTROYED =
  'It was created, but not completed; the server destroys it as soon as the provider answers.';

function judge(outcome: Outcome, found: Found, wanted: number): Outcome {
  if (outcome.ok && found.kept >= wanted) return outcome;
  const count = describeCreated(found, wanted);
  if (outcome.ok)
    return fail({
      code: 'engine',
      message: count,
      remedy: 'Read the output of each machine for the reason, then launch the missing machines again.',
    });
  const { code, message, remedy } = outcome.failure;
  // The worker adds the reason of a cancellation.
  return fail({ code, message: code === 'cancelled' ? count : `${message} ${count}`, remedy });
}

function describeCreated({ kept, undestroyed, isKnown }: Found, wanted: number): string {
  const one = undestroyed.length === 1;
  const rest = one ? 'still exists and is' : 'still exist and are';
  const left =
    undestroyed.length === 0
      ? ''
      : ` ${machinesWord(undestroyed.length)} ${rest} destroyed as soon as the provider answers: ${namesOrCount(undestroyed)}.`;
  if (kept > 0)
    return `${kept} of ${machinesWord(wanted)} ${kept === 1 ? 'was created and is kept' : 'were created and are kept'}.${left}`;
  if (!isKnown)
    return 'It is not known yet whether any was created; the server looks again until the provider answers.';
  return left === '' ? 'None was created.' : `None is kept.${left}`;
}
