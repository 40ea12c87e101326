// A Pulumi state that cannot be read: an earlier copy takes its place where that loses no machine.
import { fail, succeed, type Result } from '../../result.ts';
import { machines as machinesWord, namesOrCount } from '../../vms/operation.ts';
import { engineRules, type RunFailure } from '../engine/failure.ts';
import { backupOf, inspectStateFile, restoreBackup, setAside, type StateFile } from '../engine/state.ts';
import type { ListedVm } from '../provider.ts';
import { reconcile } from '../reconcile.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import { endedBy } from './repair-state.ts';
import { readWorld, recordedState } from './world.ts';

type Unreadable = Extract<StateFile, { kind: 'unreadable' }>;

/** Null if the state can be read, is missing, or is not on a disk of this server. */
export async function findUnreadableState({ context, pulumi }: EngineRun): Promise<Unreadable | null> {
  const file = await inspectStateFile(context.backend.stackFile, pulumi.cloud.machineType);
  return file.kind === 'unreadable' ? file : null;
}

/** Before a run that needs the state: restores the copy that Pulumi stored just before, or says what to do. */
export async function ensureReadableState(run: EngineRun): Promise<Result<undefined, RunFailure>> {
  const file = await findUnreadableState(run);
  if (file === null) return succeed();
  try {
    const missing = file.backup === null ? null : await missingIn(run, file.backup);
    if (missing === null || missing.length > 0) return fail(cannotRestore(file, missing));
    const aside = await restoreBackup(file.path, run.context.now());
    run.emit({
      level: 'warning',
      text: `The Pulumi state ${file.path} could not be read: it was cut short. Its previous version (.bak) contains all machines that run, and was restored. The unreadable file is ${aside}.`,
    });
    return succeed();
  } catch (error) {
    return failureOf(error);
  }
}

/** The machines that would be forgotten. Those of an interrupted launch are ended before anything new is created. */
async function missingIn(
  run: EngineRun,
  backup: NonNullable<Unreadable['backup']>,
): Promise<readonly ListedVm[]> {
  const known = new Set(backup.machines.map(({ instanceId }) => instanceId));
  const world = await readWorld(run, { state: recordedState(backup) });
  const ended = endedBy(reconcile(world));
  return world.vms.filter((vm) => !known.has(vm.id ?? '') && !ended.includes(vm));
}

function cannotRestore({ path }: Unreadable, missing: readonly ListedVm[] | null): RunFailure {
  const names = (missing ?? []).map(({ hostname }) => hostname);
  const copy =
    missing === null
      ? `its previous version (${backupOf(path)}) cannot be read either`
      : `its previous version (${backupOf(path)}) lacks ${machinesWord(names.length)} that ${names.length === 1 ? 'runs' : 'run'}: ${namesOrCount(names)}`;
  return {
    code: engineRules.state_unreadable.code,
    message: `The Pulumi state ${path} cannot be read: it was cut short, and ${copy}.`,
    remedy:
      'Destroy all machines, which works without the state, then launch again; or put a complete copy in its place (.pulumi/backups has the last ones).',
    causes: [engineRules.state_unreadable.cause],
  };
}

/** Before a destroy without the state. */
export function warnOfUnreadableState({ emit }: EngineRun, { path }: Unreadable): void {
  emit({
    level: 'warning',
    text: `The Pulumi state ${path} cannot be read: it was cut short. The machines and what they share are ended by their tags instead. Its previous version is ${backupOf(path)}.`,
  });
}

/** When nothing is left that an unreadable state could describe, the next launch begins with a new one. */
export async function forgetUnreadableState(
  { context, emit }: EngineRun,
  { path }: Unreadable,
): Promise<void> {
  const aside = await setAside(path, context.now());
  emit({ level: 'info', text: `The unreadable Pulumi state was renamed to ${aside}.` });
}
