// A launch: rows are inserted before a VM can report, then the provider creates as many VMs as it can. VMs that were
// created stay; the rows of the others are removed.
import { insertVms, takenHostnames } from '../db/vm-rows.ts';
import { planOperationVms, finishOperationVms } from '../db/operation-vms.ts';
import { fail } from '../result.ts';
import { nextHostnames, type Deployment } from '../vms/hostnames.ts';
import { machines as machinesWord } from '../vms/operation.ts';
import { hashToken, makeVmToken } from '../vms/token.ts';
import { awaitCanary, type CanaryOptions } from './canary.ts';
import type { LaunchSpec } from './provider.ts';
import { reconcile } from './reconcile.ts';
import { createRunReport, type RunReport } from './report.ts';
import { callProvider, type Outcome, type Run } from './run.ts';

export type LaunchOptions = {
  readonly deployment: Deployment;
  readonly randomBytes: (count: number) => Buffer;
  readonly canary: CanaryOptions;
};

/** Another launch or a registration may take hostnames at the same time; then others are tried, this often. */
const NAMING_ATTEMPTS = 5;

/** Its outcome is not used if the lease was lost. */
export async function runLaunch(run: Run, options: LaunchOptions): Promise<Outcome> {
  const wanted = run.operation.numVms ?? 0;
  run.progress.add({ total: wanted });
  const { batches, outcome } = await launchBatches(run, options, wanted);
  if (run.control.reason() === 'lost') return outcome;
  const existing = await reconcileLaunch(run, batches);
  const created = batches.reduce((sum, { report }) => sum + report.created.size, 0);
  return judge(outcome, existing ?? created, wanted);
}

type Batches = { readonly batches: readonly Batch[]; readonly outcome: Outcome };

/** All VMs at once, or the canary and then the others. */
async function launchBatches(run: Run, options: LaunchOptions, wanted: number): Promise<Batches> {
  const { above } = options.canary;
  const withCanary = above !== null && wanted > above && wanted > 1;
  const first = await launchBatch(run, options, withCanary ? 1 : wanted);
  const [canary] = first.report.created.keys();
  if (!withCanary || !first.outcome.ok || canary === undefined)
    return { batches: [first], outcome: first.outcome };
  const reported = await awaitCanary(run, canary, wanted - 1, options.canary);
  if (!reported.ok) return { batches: [first], outcome: reported };
  const rest = await launchBatch(run, options, wanted - 1);
  return { batches: [first, rest], outcome: rest.outcome };
}

type Batch = {
  readonly hostnames: readonly string[];
  readonly report: RunReport;
  readonly outcome: Outcome;
};

async function launchBatch(run: Run, options: LaunchOptions, count: number): Promise<Batch> {
  const { operation, provider, control, emit } = run;
  const vms = await insertRows(run, options, count);
  const hostnames = vms.map(({ hostname }) => hostname);
  await planOperationVms(run.db, operation.id, hostnames);
  emit({ level: 'info', text: `Launching ${machinesWord(count)}: ${hostnames.join(', ')}.` });
  const report = createRunReport(run, new Set(hostnames));
  const spec = { operationId: operation.id, shutdownAt: operation.shutdownAt, vms };
  const outcome = await callProvider(run, () =>
    provider.launch(spec, report.report, control.signal, control.forceSignal),
  );
  return { hostnames, report, outcome };
}

/** Chooses hostnames and generates tokens; only the hashes of the tokens are stored. */
async function insertRows(
  { db, operation, provider }: Run,
  { deployment, randomBytes }: LaunchOptions,
  count: number,
): Promise<LaunchSpec['vms']> {
  const listed = (await provider.list()).map(({ hostname }) => hostname);
  const inserted: { hostname: string; token: string }[] = [];
  for (let attempt = 0; attempt < NAMING_ATTEMPTS && inserted.length < count; attempt += 1) {
    const taken = new Set([...(await takenHostnames(db)), ...listed]);
    const wanted = nextHostnames(deployment, count - inserted.length, taken).map((hostname) => ({
      hostname,
      token: makeVmToken(randomBytes),
    }));
    const rows = wanted.map(({ hostname, token }) => ({ hostname, tokenHash: hashToken(token) }));
    const launch = { operationId: operation.id, provider: provider.name, shutdownAt: operation.shutdownAt };
    const free = new Set(await insertVms(db, launch, rows));
    inserted.push(...wanted.filter(({ hostname }) => free.has(hostname)));
  }
  if (inserted.length < count) throw new Error('no free hostnames were found');
  return inserted;
}

/** The number of VMs that exist; null if the provider could not list them. */
async function reconcileLaunch(run: Run, batches: readonly Batch[]): Promise<number | null> {
  const { db, provider, operation, emit, progress, onError } = run;
  try {
    for (const { report } of batches) await report.writeRest();
    const { kept, missing } = await reconcile(
      { db, provider, emit, signal: run.control.forceSignal },
      {
        row: ({ operationId }) => operationId === operation.id,
        orphan: (operationId) => operationId === operation.id,
      },
    );
    await finishOperationVms(db, operation.id, kept, { state: 'created' });
    const hostnames = batches.flatMap((batch) => batch.hostnames);
    await finishOperationVms(db, operation.id, hostnames, {
      state: 'failed',
      detail: 'It was not created.',
    });
    progress.add({ done: kept.length - progress.get().done });
    const unreported = missing.filter(
      (hostname) => !batches.some(({ report }) => report.failed.has(hostname)),
    );
    progress.add({ failed: unreported.length });
    return kept.length;
  } catch (error) {
    onError(error, 'reconciling a launch');
    run.requestReconcile();
    emit({ level: 'warning', text: 'Could not check whether all machines exist; look at the machines.' });
    return null;
  }
}

function judge(outcome: Outcome, existing: number, wanted: number): Outcome {
  if (outcome.ok && existing >= wanted) return outcome;
  const count = describeCreated(existing, wanted);
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

function describeCreated(existing: number, wanted: number): string {
  if (existing === 0) return 'None was created.';
  return `${existing} of ${machinesWord(wanted)} ${existing === 1 ? 'was created and is kept' : 'were created and are kept'}.`;
}
