// A launch on AWS: the Pulumi program runs with the new machines and those that the state already has. Machines that
// found no capacity are tried again with the next placement. Machines that were created keep running.
import { userData } from '../../../infra/user-data.ts';
import { fail, succeed, type Result } from '../../result.ts';
import type { LaunchSpec, ProvisionReport } from '../provider.ts';
import { composeSpec } from './compose-spec.ts';
import {
  executeAndEmit,
  failureOf,
  startEarlySession,
  withEngine,
  type Engine,
  type EngineRun,
} from './engine-run.ts';
import { lastLine, type RunFailure } from '../engine/failure.ts';
import { explainOutput, hasCause } from './failure.ts';
import {
  handleCreated,
  missingMachines,
  reportExisting,
  reportTerminated,
  type Launch,
  type RequestedMachine,
} from './launch-progress.ts';
import { findNetworkContext, type Placement } from './network-context.ts';
import { repairAfterFailure, repairState } from './repair-state.ts';
import type { AwsSettings } from './settings.ts';

type RunResult<T = undefined> = Result<T, RunFailure>;

export async function launchMachines(
  run: EngineRun,
  settings: AwsSettings,
  spec: LaunchSpec,
  report: ProvisionReport,
): Promise<RunResult> {
  await using early = startEarlySession(run);
  const network = await findNetworkContext(run.cloud, settings, run.cancelSignal);
  if (!network.ok) return network;
  const launch: Launch = {
    run,
    early,
    settings,
    network: network.value,
    spec,
    report,
    created: new Set(),
    rejected: new Map(),
    cleanedUp: new Set(),
  };
  const userDataFits = checkUserData(launch);
  if (!userDataFits.ok) return userDataFits;
  const sameVpc = await checkVpc(launch);
  if (!sameVpc.ok) return sameVpc;
  const result = await createMachines(launch);
  const notStarted = result.ok ? 'It was not started.' : `It was not started: ${result.failure.message}`;
  for (const { hostname } of missingMachines(launch))
    await report.failed(hostname, launch.rejected.get(hostname) ?? notStarted);
  return result;
}

/** Runs Pulumi until all machines exist or another round would not help. Returns the first lasting failure. */
async function createMachines(launch: Launch): Promise<RunResult> {
  const { run, network } = launch;
  let lasting: RunFailure | null = null;
  for (let index = 0; ;) {
    const placement = network.placements[index] ?? network.placements[0];
    const before = countsOf(launch);
    const round = await runRound(launch, placement);
    const failure = round.ok ? null : round.failure;
    const next = nextStep(launch, failure, before, index);
    if (next === 'retry') continue;
    lasting ??= isCapacity(failure) ? null : failure;
    if (next === 'complete') return lasting === null ? succeed() : fail(lasting);
    if (next === 'stop') return fail(lasting ?? failure ?? unfinished(run));
    if (next === 'next placement') {
      index += 1;
      reportPlacement(launch, placement, network.placements[index]);
    }
  }
}

/** A lack of capacity counts only if no placement has any. */
function isCapacity(failure: RunFailure | null): boolean {
  return failure?.code === 'capacity';
}

function countsOf({ created, rejected, cleanedUp }: Launch) {
  return { created: created.size, rejected: rejected.size, cleanedUp: cleanedUp.size };
}

/**
 * A rejected machine is tried again only for lack of capacity. Machines that Pulumi skipped because of it are tried again
 * as long as rounds create machines. If the run failed without rejecting a machine, the launch stops, unless a shared
 * resource was in the way and has been deleted.
 */
function nextStep(
  launch: Launch,
  failure: RunFailure | null,
  before: ReturnType<typeof countsOf>,
  index: number,
): 'complete' | 'retry' | 'stop' | 'next round' | 'next placement' {
  if (failure === null && missingMachines(launch).length === 0) return 'complete';
  if (launch.run.cancelSignal.aborted) return 'stop';
  if (hasCause(failure, 'exists_outside_state') && launch.cleanedUp.size > before.cleanedUp) return 'retry';
  if (openMachines(launch).length === 0 || failure?.code === 'credentials') return 'stop';
  if (isCapacity(failure)) return index + 1 < launch.network.placements.length ? 'next placement' : 'stop';
  const isAboutMachines = failure === null || launch.rejected.size > before.rejected;
  return isAboutMachines && launch.created.size > before.created ? 'next round' : 'stop';
}

function openMachines(launch: Launch): RequestedMachine[] {
  return missingMachines(launch).filter(({ hostname }) => !launch.rejected.has(hostname));
}

async function runRound(launch: Launch, placement: Placement): Promise<RunResult> {
  const { run, spec, rejected } = launch;
  return withEngine(
    run,
    true,
    async (engine) => {
      const repaired = await repairState(run, engine, spec.operationId);
      if (!repaired.ok) return repaired;
      const { state, terminated, orphans } = repaired.value;
      await reportTerminated(launch, terminated);
      await reportExisting(launch, state.machines);
      // A machine outside the state would be created a second time.
      const outside = new Set(orphans.map(({ hostname }) => hostname));
      for (const { hostname } of missingMachines(launch))
        if (outside.has(hostname))
          rejected.set(hostname, 'AWS has a machine with this name that is missing from the Pulumi state.');
      const machines = openMachines(launch);
      if (machines.length === 0) return succeed();
      const existing = state.machines.map(({ hostname }) => hostname);
      return up(launch, engine, existing, placement, machines);
    },
    launch.early.take(),
  );
}

async function up(
  launch: Launch,
  engine: Engine,
  existing: readonly string[],
  placement: Placement,
  machines: readonly RequestedMachine[],
): Promise<RunResult> {
  const { run } = launch;
  run.emit({
    level: 'info',
    text: `Pulumi starts: ${machines.length} × ${placement.instanceType} in ${placement.zone}.`,
  });
  const spec = specOf(launch, existing, placement, machines);
  const command = { kind: 'up', spec } as const;
  const { result, failures } = await executeAndEmit(run, engine, command, 'create', (fact) =>
    handleCreated(launch, placement, fact),
  );
  if (!result.ok) {
    const failure = rejectMachines(launch, failures);
    if (failure) return fail(failure);
    await repairLaunch(launch, result.failure);
    return result;
  }
  await reportExisting(launch, result.value?.machines ?? []);
  return succeed();
}

/** The failure of a machine says more than Pulumi's "update failed". */
function rejectMachines(launch: Launch, failures: ReadonlyMap<string, string>): RunFailure | null {
  const explained = [...failures].map(([hostname, output]) => ({
    hostname,
    output,
    failure: explainOutput(output),
  }));
  const lasting = explained.filter(({ failure }) => !isCapacity(failure));
  for (const { hostname, output } of lasting) launch.rejected.set(hostname, lastLine(output));
  return (lasting[0] ?? explained[0])?.failure ?? null;
}

async function repairLaunch(launch: Launch, failure: RunFailure): Promise<void> {
  const repaired = await repairAfterFailure(launch.run, failure, launch.spec.operationId);
  if (repaired === null) return;
  for (const { id } of repaired.cleanedUp) launch.cleanedUp.add(id);
  await reportTerminated(launch, repaired.terminated);
  await reportExisting(launch, repaired.state.machines);
}

function specOf(
  { run, settings, network, spec: { operationId, shutdownAt } }: Launch,
  existing: readonly string[],
  placement: Placement,
  machines: readonly RequestedMachine[],
) {
  const created = { launchId: operationId, shutdownAt, placement, machines };
  return composeSpec(run.context, settings, network, existing, created);
}

function checkUserData(launch: Launch): RunResult {
  const spec = specOf(launch, [], launch.network.placements[0], launch.spec.vms);
  for (const machine of spec.machines) {
    const data = userData(spec, machine);
    if (!data.ok) return fail({ code: 'program', message: data.message, remedy: data.remedy });
  }
  return succeed();
}

/** The shared security group cannot move to another VPC while machines use it. */
async function checkVpc({ run, network: { vpcId } }: Launch): Promise<RunResult> {
  try {
    const listed = await run.cloud.listMachines(run.cancelSignal);
    const other = listed.find(
      (machine) => machine.state !== 'shutting-down' && machine.vpcId !== null && machine.vpcId !== vpcId,
    );
    if (!other) return succeed();
    return fail({
      code: 'program',
      message: `The configuration names the VPC ${vpcId}, but machines of this deployment run in ${String(other.vpcId)} (${other.hostname ?? other.instanceId}). All machines must be in one VPC.`,
      remedy:
        'Restore machine.vpc_id and machine.subnet_ids and restart the server, or destroy all machines before you change the VPC.',
    });
  } catch (error) {
    return failureOf(error);
  }
}

function reportPlacement({ run }: Launch, from: Placement, to: Placement | undefined): void {
  if (to === undefined) return;
  run.emit({
    level: 'warning',
    text: `No capacity for ${from.instanceType} in ${from.zone}. Trying the remaining machines as ${to.instanceType} in ${to.zone}.`,
  });
}

function unfinished({ cancelSignal }: EngineRun): RunFailure {
  return cancelSignal.aborted
    ? {
        code: 'cancelled',
        message: 'The run was cancelled.',
        remedy: 'The machines that were created keep running. Launch more, or destroy all.',
      }
    : {
        code: 'engine',
        message: 'Pulumi ended, but some machines are missing.',
        remedy: 'The output shows the reason for each machine. Launch the missing machines again.',
      };
}
