// Destroys machines on AWS: all of them with their shared resources, or some by name. Pulumi deletes what its state
// contains. Then AWS is asked what is left: machines of our launches that are missing from the state are terminated too.
import { setTimeout as delay } from 'node:timers/promises';
import { fail, succeed, type Result } from '../../result.ts';
import { namesOrCount } from '../../vms/operation.ts';
import type { ListedVm, ProvisionReport } from '../provider.ts';
import { reconcile } from '../reconcile.ts';
import { reasonIn, type RunFailure } from '../engine/failure.ts';
import { executeAndEmit, withEngine, type Engine } from '../engine/run.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import { explainOutput, hasCause } from './failure.ts';
import type { EngineCommand } from '../engine/messages.ts';
import { endedBy, repairAfterFailure, repairState, type Repair } from './repair-state.ts';
import { cleanUpSharedResources } from './shared-resources/clean-up.ts';
import { listedVm, listRunning, readWorld } from './world.ts';

type RunResult = Result<undefined, RunFailure>;

const DONE: RunResult = succeed();
const POLL_MS = 1_000;

/** Succeeds if nothing was launched. Machines that another database launched with this state are kept. */
export async function destroyAll(run: EngineRun, report: ProvisionReport): Promise<RunResult> {
  const destroyed = await withRepairedState(run, report, async (engine, { machines, others, pending }) => {
    if (machines.length === 0 && others.length === 0 && pending.length === 0) return DONE;
    const ours = new Set((await machinesToEnd(run)).map(({ id }) => id));
    const hostnames = machines.flatMap(({ hostname, instanceId }) =>
      ours.has(instanceId) ? [hostname] : [],
    );
    if (hostnames.length === machines.length) return execute(run, engine, { kind: 'destroy' }, report);
    return hostnames.length === 0 ? DONE : execute(run, engine, { kind: 'destroy', hostnames }, report);
  });
  return destroyed.ok || isWithoutState(run, destroyed.failure)
    ? destroyOutsideState(run, report)
    : destroyed;
}

/**
 * Machines cost money whether or not the state can be used. Of a state in a bucket, only Pulumi can tell that it cannot be
 * read; and we hold the lease of the operation, so the process that locked it is dead, or has lost that lease.
 */
function isWithoutState({ emit }: EngineRun, failure: RunFailure): boolean {
  const isLocked = hasCause(failure, 'state_locked');
  if (isLocked)
    emit({
      level: 'warning',
      text: 'The Pulumi state is locked by another run. Machines are ended without it.',
    });
  return isLocked || hasCause(failure, 'state_unreadable');
}

/** What is to be destroyed with everything: an admin decides about machines of unknown launches. */
async function machinesToEnd(run: EngineRun): Promise<readonly ListedVm[]> {
  return endedBy(reconcile(await readWorld(run, { destroying: 'all' })));
}

/** Destroys what is missing from the state, and checks with AWS that nothing is left. Needs no Pulumi. */
export async function destroyOutsideState(run: EngineRun, report: ProvisionReport): Promise<RunResult> {
  try {
    await terminate(run, report, await machinesToEnd(run), true);
    await checkMachinesGone(run);
    if (!run.cancelSignal.aborted) await cleanUpAll(run);
    return DONE;
  } catch (error) {
    return failureOf(error);
  }
}

/** Destroys these machines; the others and the shared resources are not even looked at. */
export async function destroySome(
  run: EngineRun,
  hostnames: readonly string[],
  report: ProvisionReport,
): Promise<RunResult> {
  const destroying = new Set(hostnames);
  const destroyed = await withRepairedState(run, report, async (engine, { machines }) => {
    const names = machines.map(({ hostname }) => hostname);
    const known = names.filter((name) => destroying.has(name));
    return known.length === 0 ? DONE : execute(run, engine, { kind: 'destroy', hostnames: known }, report);
  });
  return destroyed.ok || isWithoutState(run, destroyed.failure)
    ? terminateByName(run, hostnames, report)
    : destroyed;
}

/** Terminates what runs under these hostnames, whether or not a state has it. Needs no Pulumi. */
export async function terminateByName(
  run: EngineRun,
  hostnames: readonly string[],
  report: ProvisionReport,
): Promise<RunResult> {
  const destroying = new Set(hostnames);
  try {
    const listed = await listRunning(run);
    const remaining = listed.flatMap(listedVm).filter(({ hostname }) => destroying.has(hostname));
    await terminate(run, report, remaining);
    for (const hostname of hostnames) await reportGone(run, report, hostname);
    return DONE;
  } catch (error) {
    return failureOf(error);
  }
}

/** Does nothing if there is no stack. */
async function withRepairedState(
  run: EngineRun,
  report: ProvisionReport,
  use: (engine: Engine, state: Repair['state']) => Promise<RunResult>,
): Promise<RunResult> {
  return withEngine(run, async (engine) => {
    if (engine.state === null) return DONE;
    const repaired = await repairState(run, engine, null);
    if (!repaired.ok) return repaired;
    for (const hostname of repaired.value.terminated) await reportGone(run, report, hostname);
    return use(engine, repaired.value.state);
  });
}

async function execute(
  run: EngineRun,
  engine: Engine,
  command: EngineCommand,
  report: ProvisionReport,
): Promise<RunResult> {
  const { result, failures } = await executeAndEmit(run, engine, command, 'delete', ({ hostname }) =>
    reportGone(run, report, hostname),
  );
  if (result.ok) return DONE;
  const kept = new Map(failures);
  if (result.failure.code === 'engine') {
    const repaired = await repairAfterFailure(run, result.failure, null);
    for (const hostname of repaired?.terminated ?? []) {
      kept.delete(hostname);
      await reportGone(run, report, hostname);
    }
  }
  for (const [hostname, output] of kept) await report.kept(hostname, reasonIn(output));
  return kept.size === 0 ? result : fail(notTerminated(kept));
}

/** The failure of a machine says more than Pulumi's "update failed". */
function notTerminated(failures: ReadonlyMap<string, string>): RunFailure {
  const names = namesOrCount([...failures.keys()]);
  const [output = ''] = failures.values();
  const { message, ...explained } = explainOutput(output);
  return { ...explained, message: `AWS did not terminate ${names}. ${message}` };
}

async function reportGone({ context }: EngineRun, report: ProvisionReport, hostname: string): Promise<void> {
  context.recentMachines.remove(hostname);
  await report.gone(hostname);
}

async function terminate(
  run: EngineRun,
  report: ProvisionReport,
  machines: readonly ListedVm[],
  completely = false,
): Promise<void> {
  if (machines.length === 0) return;
  for (const { hostname, id = hostname } of machines)
    run.emit({
      level: 'warning',
      hostname,
      text: `The instance ${id} belongs to this deployment, but is missing from the Pulumi state. Terminating the instance.`,
    });
  const instanceIds = machines.flatMap(({ id }) => id ?? []);
  await run.cloud.terminate(instanceIds, run.killSignal, completely);
  for (const { hostname } of machines) await reportGone(run, report, hostname);
}

/** EC2 may list terminated instances for a while. Reports what is left; the caller lists again and decides. */
async function checkMachinesGone(run: EngineRun): Promise<void> {
  const { context, emit, cancelSignal } = run;
  let left = await listRunning(run);
  for (
    let waitedMs = 0;
    left.length > 0 && waitedMs < context.limits.listDelayMs && !cancelSignal.aborted;
    waitedMs += POLL_MS
  ) {
    if ((await machinesToEnd(run)).length === 0) break;
    await delay(POLL_MS);
    left = await listRunning(run);
  }
  const count = `${left.length} ${left.length === 1 ? 'machine' : 'machines'}`;
  emit({
    level: left.length === 0 ? 'info' : 'warning',
    text: `Checked with AWS: ${count} with the tags of this deployment.`,
  });
  for (const { hostname, instanceId } of left)
    emit({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The instance ${instanceId} has the tags of this deployment, but comes from an unknown launch. It keeps running until an admin decides.`,
    });
}

/** Shared resources cost nothing, so what cannot be deleted or listed is reported and fails nothing. */
async function cleanUpAll(run: EngineRun): Promise<void> {
  const nothingKnown = { machines: [], others: [], pending: [] };
  const { remaining, problems } = await cleanUpSharedResources(run, nothingKnown, { keepLogs: false });
  for (const problem of problems)
    run.emit({ level: 'warning', text: `The shared resources could not be listed: ${problem}` });
  if (problems.length > 0) return;
  const names = remaining.map(({ label, id }) => `the ${label} ${id}`).join(', ');
  run.emit(
    remaining.length === 0
      ? { level: 'info', text: 'Checked with AWS: no shared resources are left.' }
      : {
          level: 'warning',
          text: `Checked with AWS: these shared resources are left: ${names}. They cost nothing. Destroy again, or delete them in the AWS console.`,
        },
  );
}
