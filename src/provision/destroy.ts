// A destroy: no VM is assigned any more, the provider destroys them all, and only if it lists none afterwards the operation
// succeeds. External VMs cannot be destroyed from here; only their rows are removed.
import { recordAuditEvent } from '../db/audit.ts';
import { listVmRows, markDestroying, removeDestroyed, type VmRow } from '../db/vm-rows.ts';
import { planOperationVms, recordOperationVms, finishOperationVms } from '../db/operation-vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import { findChanged } from '../db/selected-vms.ts';
import { fail, succeed } from '../result.ts';
import { machines as machinesWord, namesOrCount } from '../vms/operation.ts';
import { changedSentence } from '../vms/selected.ts';
import { recentTombstones } from '../db/tombstones.ts';
import { reconcileFleet } from './apply-actions.ts';
import type { ListedVm } from './provider.ts';
import { definitionOf, fateOf, isOwn, registeredProvider, type Fate } from './providers.ts';
import { createRunReport, type RunReport } from './report.ts';
import { endedBefore, notAll } from './selected.ts';
import { callProvider, cleanUpSignal, type Outcome, type Run } from './run.ts';

/** A sentence names this many VMs. */
const NAMES_MAX = 10;

/** Its outcome is not used if the lease was lost. */
export async function runDestroy(run: Run, operation: OperationRecord): Promise<Outcome> {
  const { hostnames, assignmentIds } = operation;
  await markDestroying(
    run.db,
    [...new Set([run.provider.name, registeredProvider])],
    hostnames,
    assignmentIds,
  );
  const rows = await listVmRows(run.db);
  if (assignmentIds === null) return destroyThese(run, operation.id, { rows, only: hostnames });
  const asked = hostnames ?? destroyable(run, rows);
  const wanted = await withoutGone(run, operation.id, { rows, hostnames: asked });
  const refused = await refuse(run, operation.id, { rows, hostnames: wanted, assignmentIds });
  const rest = wanted.filter((hostname) => !refused.has(hostname));
  // An admin who selected machines affects people; the schedule was planned for all.
  if (operation.scheduleId === null)
    await auditEach(
      run.db,
      operation,
      rows.filter(({ hostname }) => rest.includes(hostname)),
    );
  // Only without a refusal can none be left.
  const isAll = hostnames === null && refused.size === 0;
  const outcome =
    rest.length > 0 || isAll
      ? await destroyThese(run, operation.id, { rows, only: isAll ? null : rest })
      : succeed();
  return outcome.ok && refused.size > 0 ? notAll('destroy', refused.size, wanted.length) : outcome;
}

/** A second click: those that were destroyed a moment ago are what was asked for. */
async function withoutGone(
  { db, progress }: Run,
  id: string,
  { rows, hostnames }: { readonly rows: readonly VmRow[]; readonly hostnames: readonly string[] },
): Promise<readonly string[]> {
  const known = new Set(rows.map(({ hostname }) => hostname));
  const destroyed = new Set(await recentTombstones(db));
  const gone = hostnames.filter((hostname) => !known.has(hostname) && destroyed.has(hostname));
  progress.add({ total: gone.length, done: gone.length });
  await recordOperationVms(db, id, gone, { state: 'destroyed', detail: 'It had been destroyed before.' });
  return hostnames.filter((hostname) => !gone.includes(hostname));
}

function destroyable({ provider }: Run, rows: readonly VmRow[]): string[] {
  return rows.filter((row) => fateOf(row, provider.name) !== 'stays').map(({ hostname }) => hostname);
}

/** Names everybody who is affected; the request itself was audited with the number of VMs. */
async function auditEach(
  db: Run['db'],
  { id: operationId, requestedBy: who }: OperationRecord,
  rows: readonly VmRow[],
): Promise<void> {
  for (const { hostname, email } of rows)
    await recordAuditEvent(db, { who, what: 'destroy', detail: email ?? '', hostname, operationId });
}

/** Of VMs that only these people may lose: records those that are left as they are, with the reason. */
async function refuse(
  { db, provider, emit, progress }: Run,
  id: string,
  {
    rows: all,
    hostnames,
    assignmentIds,
  }: {
    readonly rows: readonly VmRow[];
    readonly hostnames: readonly string[];
    readonly assignmentIds: readonly string[];
  },
): Promise<ReadonlySet<string>> {
  const rows = new Map(all.map((row) => [row.hostname, row]));
  const changed = await findChanged(db, hostnames, assignmentIds);
  const emails = new Map(changed.map(({ hostname, email }) => [hostname, email]));
  const refused = hostnames.flatMap((hostname) => {
    const row = rows.get(hostname);
    const email = emails.get(hostname);
    if (!row) return [{ hostname, reason: 'There is no such machine any more.' }];
    if (email !== undefined) return [{ hostname, reason: changedSentence(email) }];
    if (fateOf(row, provider.name) === 'stays') return [{ hostname, reason: staysSentence(row, provider) }];
    // It was somebody else's when machines were marked; no one else can get a machine that is marked.
    return row.status === 'destroying' ? [] : [{ hostname, reason: CHANGED_AND_RELEASED }];
  });
  progress.add({ total: refused.length, failed: refused.length });
  for (const { hostname, reason } of refused) {
    emit({ level: 'error', hostname, text: `Not destroyed. ${reason}` });
    await recordOperationVms(db, id, [hostname], { state: 'failed', detail: reason });
  }
  return new Set(refused.map(({ hostname }) => hostname));
}

const CHANGED_AND_RELEASED = 'Somebody else has had it since, and has released it.';

/** @param only null = all, and with the proof that none is left */
async function destroyThese(
  run: Run,
  id: string,
  { rows: all, only }: { readonly rows: readonly VmRow[]; readonly only: readonly string[] | null },
): Promise<Outcome> {
  const { db, provider, control, emit, progress } = run;
  const isWanted = ({ hostname }: { readonly hostname: string }): boolean => only?.includes(hostname) ?? true;
  const rows = all.filter(isWanted);
  const rowsThatAre = (fate: Fate): VmRow[] => rows.filter((row) => fateOf(row, provider.name) === fate);
  const external = rowsThatAre('removed').map(({ hostname }) => hostname);
  warnOfOtherProviders(run, rowsThatAre('stays'));
  const own = rowsThatAre('destroyed');
  warnOfParticipants(run, own);
  const listed = (await provider.list()).filter(isWanted);
  const hostnames = new Set([...own, ...listed].map(({ hostname }) => hostname));
  progress.add({ total: hostnames.size + external.length });
  await planOperationVms(db, id, [...hostnames, ...external]);
  emit({
    level: 'info',
    text: hostnames.size > 0 ? `Destroying ${machinesWord(hostnames.size)}.` : 'No machines to destroy.',
  });
  const runReport = createRunReport(run, id, null);
  const target = only === null ? 'all' : [...hostnames];
  const outcome = await callProvider(run, () =>
    provider.destroy(target, runReport.report, control.signal, control.forceSignal),
  );
  if (control.reason() === 'lost') return outcome;
  if (outcome.ok) await removeExternal(run, id, external);
  const found = await reconcileDestroy(run, id, runReport, {
    isWanted,
    hostnames: [...hostnames],
    external,
    whyLeft: outcome.ok ? 'It still exists.' : endedBefore('destroy'),
  });
  warnOfForeign(run, only, found);
  if (!outcome.ok) return outcome;
  if (found === null) return UNVERIFIED;
  if (found.left.length > 0) return leftOver(found.left);
  if (only === null) emit({ level: 'info', text: definitionOf(provider.name).proof });
  const nothingDone = only !== null && hostnames.size + external.length === 0 && rows.length > 0;
  return nothingDone ? leftOver(only) : succeed();
}

/** The output names the participants whose work is lost. */
function warnOfParticipants({ emit }: Run, rows: readonly VmRow[]): void {
  for (const { hostname, email } of rows)
    if (email !== null)
      emit({
        level: 'warning',
        hostname,
        text: `This machine is assigned to ${email}: work on it that was not collected is lost.`,
      });
}

async function removeExternal(
  { db, emit, progress }: Run,
  operationId: string,
  hostnames: readonly string[],
): Promise<void> {
  if (hostnames.length === 0) return;
  await removeDestroyed(db, hostnames);
  await recordOperationVms(db, operationId, hostnames, {
    state: 'destroyed',
    detail: 'Removed from the list; it keeps running.',
  });
  progress.add({ done: hostnames.length });
  emit({
    level: 'warning',
    text: `External machines keep running; they were only removed from the list (${hostnames.length}). One without a token comes back with its next report.`,
  });
}

/** What still exists; null if the provider could not list it. */
async function reconcileDestroy(
  run: Run,
  operationId: string,
  runReport: RunReport,
  {
    isWanted,
    hostnames,
    external,
    whyLeft,
  }: {
    readonly isWanted: (vm: { readonly hostname: string }) => boolean;
    /** What the provider was to destroy. */
    readonly hostnames: readonly string[];
    readonly external: readonly string[];
    readonly whyLeft: string;
  },
): Promise<Found | null> {
  const { db, provider, progress } = run;
  try {
    await runReport.writeRest();
    const { listed, kept, unmanaged, foreign, undestroyed } = await reconcileFleet(
      { ...run, signal: cleanUpSignal() },
      operationId,
    );
    const own = kept.filter((row) => isOwn(row, provider.name) && isWanted(row));
    // A row that changed in this moment outlives its machine until the next comparison.
    if (own.some(({ hostname }) => !listed.has(hostname))) run.requestReconcile();
    const left = [...own.filter(({ hostname }) => listed.has(hostname)), ...unmanaged, ...undestroyed]
      .filter(isWanted)
      .map(({ hostname }) => hostname);
    const ended = hostnames.filter((hostname) => !left.includes(hostname) && !runReport.gone.has(hostname));
    const recovered = ended.filter((hostname) => runReport.failed.has(hostname));
    await recordOperationVms(db, operationId, ended, { state: 'destroyed' });
    await finishOperationVms(db, operationId, [...hostnames, ...external], {
      state: 'failed',
      detail: whyLeft,
    });
    progress.add({ done: ended.length, failed: -recovered.length });
    return { left, foreign };
  } catch (error) {
    run.onError(error, 'reconciling a destroy');
    run.requestReconcile();
    return null;
  }
}

type Found = { readonly left: readonly string[]; readonly foreign: readonly ListedVm[] };

/** Part of the proof that nothing is left: what may be meant too. */
function warnOfForeign({ emit }: Run, only: readonly string[] | null, found: Found | null): void {
  const foreign = only === null && found !== null ? found.foreign : [];
  if (foreign.length === 0) return;
  const names = namesOrCount(foreign.map(({ id, hostname }) => id ?? hostname));
  emit({
    level: 'warning',
    text: `Machines with the name of this deployment, but of another allocator or of one that was lost, keep running: ${names}. Look at "Unmatched machines".`,
  });
}

const UNVERIFIED: Outcome = fail({
  code: 'engine',
  message: 'Could not check whether any machine is left.',
  remedy: 'Destroy again.',
});

function leftOver(left: readonly string[]): Outcome {
  const named = left.slice(0, NAMES_MAX).join(', ') + (left.length > NAMES_MAX ? ', …' : '');
  return fail({
    code: 'left_over',
    message: `${machinesWord(left.length)} still ${left.length === 1 ? 'exists' : 'exist'}: ${named}.`,
    remedy: 'Destroy again. If they stay, terminate them where they run.',
  });
}

/** VMs of a provider that this server does not run cannot be destroyed from here; their rows stay. */
function warnOfOtherProviders({ provider, emit }: Run, others: readonly VmRow[]): void {
  for (const { hostname, provider: other } of others)
    emit({ level: 'warning', hostname, text: staysSentence({ provider: other }, provider) });
}

function staysSentence(
  { provider: other }: Pick<VmRow, 'provider'>,
  own: Pick<Run['provider'], 'name'>,
): string {
  return `Belongs to the provider ${other}, but this server runs with ${own.name}: it stays. Start the server with PROVIDER=${other} to destroy it.`;
}
