// An operation that releases or restarts the VMs that an admin has selected: one after the other, a few at once. What cannot be done
// with one of them is recorded with its reason, and the others go on.
import pLimit from 'p-limit';
import { finishOperationVms, planOperationVms, recordOperationVms } from '../db/operation-vms.ts';
import type { OperationRecord } from '../db/operations.ts';
import { beginSelectedRestart, releaseSelected, type Refused, type SelectedVm } from '../db/selected-vms.ts';
import { undoRestart } from '../db/vm-actions.ts';
import { describeFailure, fail, succeed } from '../result.ts';
import { doneWords, machines } from '../vms/operation.ts';
import { changedSentence, restartHindrance } from '../vms/selected.ts';
import { isOwn } from './providers.ts';
import { callProvider, type Outcome, type Run } from './run.ts';

/** VMs that are changed at once. */
const AT_ONCE = 5;

/** What is done with one VM. `email`: the participant. */
type Done = { readonly email: string | null } | { readonly problem: string };
type Act = (run: Run, vm: SelectedVm) => Promise<Done>;
type Kind = 'release' | 'restart';

const acts = { release, restart } as const satisfies Record<Kind, Act>;

/** Its outcome is not used if the lease was lost. */
export async function runOnSelected(run: Run, kind: Kind, operation: OperationRecord): Promise<Outcome> {
  const { db, control, progress } = run;
  const { id, hostnames: selected, assignmentIds, requestedBy: by } = operation;
  const hostnames = selected ?? [];
  progress.add({ total: hostnames.length });
  await planOperationVms(db, id, hostnames);
  let hasFailed = false;
  const limit = pLimit(AT_ONCE);
  const acting = hostnames.map((hostname) =>
    limit(async () => {
      if (control.signal.aborted || hasFailed) return;
      await actOn(run, kind, { hostname, assignmentIds, by, operationId: id });
    }).catch((error: unknown) => {
      hasFailed = true;
      throw error;
    }),
  );
  // What has begun is waited for; the run must not end before.
  await Promise.allSettled(acting);
  await Promise.all(acting);
  if (control.reason() === 'lost') return NOT_FINISHED;
  if (!control.signal.aborted) return outcomeOf(kind, progress.get());
  await finishOperationVms(db, id, hostnames, { state: 'failed', detail: endedBefore(kind) });
  return NOT_FINISHED;
}

/** Why a VM of an operation that failed or was cancelled is as it was. */
export function endedBefore(kind: Kind | 'destroy'): string {
  return `The operation ended before this machine was ${doneWords[kind]}.`;
}

async function actOn(run: Run, kind: Kind, vm: SelectedVm): Promise<void> {
  const { db, control, emit, progress, onError } = run;
  const { hostname, operationId } = vm;
  const done = await acts[kind](run, vm).catch((error: unknown): Done => {
    onError(error, `acting on ${hostname} (${kind})`);
    return { problem: 'The server failed unexpectedly; its log has the error.' };
  });
  if (control.reason() === 'lost') return;
  if ('problem' in done) {
    progress.add({ failed: 1 });
    emit({ level: 'error', hostname, text: `Not ${doneWords[kind]}. ${done.problem}` });
    await recordOperationVms(db, operationId, [hostname], { state: 'failed', detail: done.problem });
    return;
  }
  progress.add({ done: 1 });
  const who = done.email === null ? '' : ` Participant: ${done.email}.`;
  emit({ level: 'info', hostname, text: `${DONE_SENTENCES[kind]}${who}` });
  await recordOperationVms(db, operationId, [hostname], { state: 'done' });
}

const DONE_SENTENCES = { release: 'Released.', restart: 'Restarting.' } as const satisfies Record<
  Kind,
  string
>;

async function release({ db }: Run, vm: SelectedVm): Promise<Done> {
  const released = await releaseSelected(db, vm);
  return released.kind === 'released' ? { email: released.email } : { problem: refusedSentence(released) };
}

async function restart(run: Run, vm: SelectedVm): Promise<Done> {
  const { db, provider, control } = run;
  const { hostname } = vm;
  const begun = await beginSelectedRestart(
    db,
    vm,
    (machine) => provider.restart !== undefined && isOwn(machine, provider.name),
  );
  switch (begun.kind) {
    case 'begun': {
      const result = await callProvider(run, async () =>
        provider.restart ? provider.restart(hostname, control.signal) : succeed(),
      );
      if (result.ok) return { email: begun.email };
      await undoRestart(db, hostname, begun.before);
      return { problem: describeFailure(result.failure) };
    }
    case 'destroying':
      return { problem: 'The machine is being destroyed.' };
    case 'elsewhere':
      return { problem: restartHindrance(begun.provider) };
    default:
      return { problem: refusedSentence(begun) };
  }
}

/** Why a VM was left as it is. */
function refusedSentence(refused: Refused): string {
  switch (refused.kind) {
    case 'unknown':
      return 'There is no such machine any more.';
    case 'not_assigned':
      return 'The machine is not assigned.';
    case 'changed':
      return changedSentence(refused.email);
  }
}

function outcomeOf(
  kind: Kind,
  { failed, total }: { readonly failed: number; readonly total: number },
): Outcome {
  return failed === 0 ? succeed() : notAll(kind, failed, total);
}

/** Some VMs were left as they are. */
export function notAll(kind: Kind | 'destroy', failed: number, total: number): Outcome {
  const verb = failed === 1 ? 'was' : 'were';
  return fail({
    code: 'not_all',
    message: `${machines(failed)} of ${total} ${verb} not ${doneWords[kind]}; the reason stands with each.`,
    remedy: 'Look at these machines. If they should still be changed, select them again.',
  });
}

const NOT_FINISHED: Outcome = fail({
  code: 'cancelled',
  message: 'Some machines were left as they are.',
  remedy: 'Select the others again if needed.',
});
