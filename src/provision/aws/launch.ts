// A launch on AWS: the Pulumi program runs with the new machines and those that the state already has. Machines that
// found no capacity are tried again with the next placement. Machines that were created keep running.
import { userData } from '../../../infra/user-data.ts';
import { fail, succeed, type Result } from '../../result.ts';
import { namesOrCount } from '../../vms/operation.ts';
import type { LaunchSpec, ProvisionReport } from '../provider.ts';
import { composeSpec } from './compose-spec.ts';
import { sleep } from '../../async/abort.ts';
import { reasonIn, type RunFailure } from '../engine/failure.ts';
import { executeAndEmit, openEarly, withEngine, type EarlySession, type Engine } from '../engine/run.ts';
import { failureOf, type EngineRun } from './engine-run.ts';
import { explainOutput } from './failure.ts';
import { FIRST_ROUND, nextRound, passes, type Round, type RoundOutcome } from './rounds.ts';
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
  await using early = openEarly(run);
  const network = await findNetworkContext(run.cloud, settings, run.cancelSignal);
  if (!network.ok) return network;
  const launch: Launch = {
    ...{ run, settings, spec, report, network: network.value },
    ...{ created: new Set(), rejected: new Map(), cleanedUp: new Set() },
  };
  const userDataFits = checkUserData(launch);
  if (!userDataFits.ok) return userDataFits;
  const sameVpc = await checkVpc(launch);
  if (!sameVpc.ok) return sameVpc;
  if (!network.value.isPublic) warnOfPrivateSubnets(launch);
  const result = await createMachines(launch, early);
  const notStarted = result.ok ? 'It was not started.' : `It was not started: ${result.failure.message}`;
  for (const { hostname } of missingMachines(launch))
    await report.failed(hostname, launch.rejected.get(hostname) ?? notStarted);
  return result;
}

/** Runs Pulumi until all machines exist or another round would not help. Returns the first lasting failure. */
async function createMachines(launch: Launch, early: EarlySession): Promise<RunResult> {
  const { run, network } = launch;
  let lasting: RunFailure | null = null;
  for (let round = FIRST_ROUND; ;) {
    const placement = network.placements[round.placement] ?? network.placements[0];
    const before = countsOf(launch);
    const result = await withEngine(run, (engine) => runRound(launch, engine, placement), early.take());
    const failure = result.ok ? null : result.failure;
    const outcome = outcomeOf(launch, failure, before);
    const next = nextRound(round, outcome, network.placements.length);
    if (next.kind === 'complete') return lasting === null ? succeed() : fail(lasting);
    if (next.kind === 'stop') return fail(lasting ?? failure ?? unfinished(run));
    if (failure && passes(failure)) reportRetry(launch, failure, placement, next.round);
    // What the next round mends is no failure of the launch.
    else if (!outcome.hasCleanedUp) lasting ??= failure;
    if (next.pause) await sleep(run.context.limits.retryPauseMs, run.cancelSignal);
    round = next.round;
  }
}

function countsOf({ created, rejected, cleanedUp }: Launch) {
  return { created: created.size, rejected: rejected.size, cleanedUp: cleanedUp.size };
}

function outcomeOf(
  launch: Launch,
  failure: RunFailure | null,
  before: ReturnType<typeof countsOf>,
): RoundOutcome {
  const now = countsOf(launch);
  return {
    failure,
    open: openMachines(launch).length,
    missing: missingMachines(launch).length,
    hasCreated: now.created > before.created,
    hasRejected: now.rejected > before.rejected,
    hasCleanedUp: now.cleanedUp > before.cleanedUp,
    isCancelled: launch.run.cancelSignal.aborted,
  };
}

function openMachines(launch: Launch): RequestedMachine[] {
  return missingMachines(launch).filter(({ hostname }) => !launch.rejected.has(hostname));
}

async function runRound(launch: Launch, engine: Engine, placement: Placement): Promise<RunResult> {
  const { run, spec, rejected } = launch;
  const repaired = await repairState(run, engine, spec.operationId);
  if (!repaired.ok) return repaired;
  const { state, terminated, orphans } = repaired.value;
  await reportTerminated(launch, terminated);
  await reportExisting(launch, state.machines);
  const isLost = state.others.length === 0 && orphans.length > 0;
  if (isLost) return fail(lostState(orphans.map(({ hostname }) => hostname)));
  // A machine outside the state would be created a second time.
  const outside = new Set(orphans.map(({ hostname }) => hostname));
  for (const { hostname } of missingMachines(launch))
    if (outside.has(hostname))
      rejected.set(hostname, 'AWS has a machine with this name that is missing from the Pulumi state.');
  const machines = openMachines(launch);
  if (machines.length === 0) return succeed();
  const existing = state.machines.map(({ hostname }) => hostname);
  return up(launch, engine, existing, placement, machines);
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
  const lasting = explained.filter(({ failure }) => !passes(failure));
  for (const { hostname, output } of lasting) launch.rejected.set(hostname, reasonIn(output));
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

/** The new shared resources would have the names of those that the machines use. */
function lostState(hostnames: readonly string[]): RunFailure {
  return {
    code: 'engine',
    message: `The Pulumi state is empty, but machines of this deployment run: ${namesOrCount(hostnames)}. Nothing was changed. The state may have been lost.`,
    remedy:
      'Restore the state from a backup. Otherwise, when nobody needs these machines any more, destroy all: that needs no state. Leave their security group, roles and log groups alone until then, because they use them.',
  };
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

function warnOfPrivateSubnets({ run, network: { vpcId } }: Launch): void {
  run.emit({
    level: 'warning',
    text: `No subnet of ${vpcId} gives machines a public address: this server connects to their private addresses, which needs a server in the same network and machine.ssh_cidrs with its private address (docs/aws.md).`,
  });
}

function reportRetry(
  { run, network }: Launch,
  failure: RunFailure,
  from: Placement,
  { placement }: Round,
): void {
  const to = network.placements[placement] ?? from;
  const where = ({ instanceType, zone }: Placement): string => `${instanceType} in ${zone}`;
  const text =
    failure.code === 'capacity'
      ? `No capacity for ${where(from)}. Trying the remaining machines as ${where(to)}.`
      : `${failure.message} Trying the remaining machines once more.`;
  run.emit({ level: 'warning', text });
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
