// A launch on AWS: the program is run with the new names beside those that the state has, and again for those that were
// dropped or found no room, elsewhere. What was made stays. Whatever happens, the state knows all that exists.
import { fail, succeed } from '../../result.ts';
import type { LaunchSpec, ProvisionReport, ProvisionResult } from '../provider.ts';
import { userData } from '../../../infra/user-data.ts';
import { CloudError } from './cloud-error.ts';
import { composeSpec } from './compose-spec.ts';
import {
  explainFailure,
  isLeftBehind,
  isWorthAnotherPlace,
  lastWords,
  type Failure,
} from './engine/failure.ts';
import { hear, missing, noteLiving, noteLost, type Launch, type Machine } from './launch-notes.ts';
import { mend, mendBroken } from './mend.ts';
import { redact } from './redact.ts';
import type { AwsSettings } from './settings.ts';
import { failureOf, findSurroundings, type Place } from './surroundings.ts';
import { startEarly, withEngine, type Done, type Engine, type Failed, type Work } from './work.ts';

export async function launchMachines(
  work: Work,
  settings: AwsSettings,
  spec: LaunchSpec,
  report: ProvisionReport,
): Promise<ProvisionResult> {
  await using early = startEarly(work);
  const around = await findSurroundings(work.cloud, settings, work.asked);
  if (!around.ok) return failedResult(around.failure);
  const launch = {
    work,
    early,
    settings,
    around,
    spec,
    report,
    made: new Set<string>(),
    refused: new Map<string, string>(),
    swept: new Set<string>(),
  };
  const refusal = checkUserData(launch) ?? (await checkVpc(launch));
  if (refusal) return failedResult(refusal);
  const failure = await makeAll(launch);
  const left = missing(launch);
  for (const { hostname } of left)
    await report.failed(hostname, launch.refused.get(hostname) ?? whyNotBegun(failure));
  return failure === null ? succeed() : failedResult(failure);
}

/** Round by round, each a run of the engine. The first failure that counts, or null. */
async function makeAll(launch: Launch): Promise<Failure | null> {
  const { around, work } = launch;
  let first: Failure | null = null;
  let at = 0;
  for (;;) {
    const place = around.places[at] ?? around.places[0];
    const before = { made: launch.made.size, refused: launch.refused.size };
    const round = await runRound(launch, place);
    if (round.ok && missing(launch).length === 0) return first;
    const failure = round.ok ? null : round.failure;
    first ??= lasting(failure);
    const why = first ?? failure;
    if (work.asked.aborted) return why ?? CANCELLED;
    const next = whatNext(launch, failure, before, at);
    if (next === 'end') return why ?? UNFINISHED;
    if (next === 'elsewhere') {
      at += 1;
      sayElsewhere(launch, place, around.places[at]);
    }
  }
}

/** Want of room is got around, and is told only where it stays. */
function lasting(failure: Failure | null): Failure | null {
  return failure === null || isWorthAnotherPlace(failure.kind) ? null : failure;
}

/**
 * A refused machine is not tried again but for want of room; those that were dropped because of it are, as long as rounds
 * make something. Where not machines were refused but the run failed, it is over.
 */
function whatNext(
  launch: Launch,
  failure: Failure | null,
  before: { readonly made: number; readonly refused: number },
  at: number,
): 'end' | 'again' | 'elsewhere' {
  const open = missing(launch).filter(({ hostname }) => !launch.refused.has(hostname));
  if (open.length === 0) return 'end';
  if (failure?.kind === 'capacity') return at + 1 < launch.around.places.length ? 'elsewhere' : 'end';
  if (failure?.kind === 'credentials') return 'end';
  const ofMachines = failure === null || launch.refused.size > before.refused;
  return ofMachines && launch.made.size > before.made ? 'again' : 'end';
}

/** Again, where what was in the way is out of it. */
async function runRound(launch: Launch, place: Place): Promise<Done<null> | Failed> {
  for (;;) {
    const before = launch.swept.size;
    const round = await runOnce(launch, place);
    const isFreed = !round.ok && isLeftBehind(round.text) && launch.swept.size > before;
    if (!isFreed || launch.work.asked.aborted) return round;
  }
}

async function runOnce(launch: Launch, place: Place): Promise<Done<null> | Failed> {
  const { work, spec } = launch;
  return withEngine(
    work,
    true,
    async (engine) => {
      const mended = await mend(work, engine, spec.operationId);
      if (!mended.ok) return mended;
      await noteLost(launch, mended.value.ended);
      const living = mended.value.state.machines.map(({ hostname }) => hostname);
      await noteLiving(launch, mended.value.state.machines);
      // One that no state knows would be made a second time.
      const strange = new Set(mended.value.orphans.map(({ hostname }) => hostname));
      for (const { hostname } of missing(launch))
        if (strange.has(hostname))
          launch.refused.set(hostname, 'A machine of this name exists that no state knows.');
      const machines = missing(launch).filter(({ hostname }) => !launch.refused.has(hostname));
      if (machines.length === 0) return { ok: true, value: null };
      return up(launch, engine, living, place, machines);
    },
    launch.early.take(),
  );
}

async function up(
  launch: Launch,
  engine: Engine,
  living: readonly string[],
  place: Place,
  machines: readonly Machine[],
): Promise<Done<null> | Failed> {
  const { work, settings, around, spec } = launch;
  const { operationId: launchId, shutdownAt } = spec;
  const order = composeSpec(work.site, settings, around, living, { launchId, shutdownAt, place, machines });
  const reports: Promise<void>[] = [];
  const refusals = new Map<string, string>();
  work.tell({
    level: 'info',
    text: `The engine begins: ${machines.length} × ${place.instanceType} in ${place.zone}.`,
  });
  const answer = await engine.order({ kind: 'up', spec: order }, (fact) => {
    if (fact.kind === 'refused') refusals.set(fact.hostname, fact.text);
    reports.push(hear(launch, place, fact));
  });
  await Promise.all(reports);
  if (answer.ok) {
    await noteLiving(launch, answer.value?.machines ?? []);
    return { ok: true, value: null };
  }
  return judgeRefusals(launch, refusals, answer) ?? (await lookAgain(launch, answer));
}

/** What machines were refused for says more than the engine's "update failed". */
function judgeRefusals(launch: Launch, refusals: ReadonlyMap<string, string>, answer: Failed): Failed | null {
  const explained = [...refusals].map(([hostname, text]) => ({
    hostname,
    text,
    failure: explainFailure(text),
  }));
  const forGood = explained.filter(({ failure }) => !isWorthAnotherPlace(failure.kind));
  for (const { hostname, text } of forGood)
    launch.refused.set(hostname, lastWords(redact(text, launch.work.secrets)));
  const worst = forGood[0] ?? explained[0];
  return worst ? { ...answer, failure: worst.failure } : null;
}

async function lookAgain(launch: Launch, answer: Failed): Promise<Failed> {
  const mended = await mendBroken(launch.work, answer, launch.spec.operationId);
  if (mended === null) return answer;
  for (const { id } of mended.swept) launch.swept.add(id);
  await noteLost(launch, mended.ended);
  await noteLiving(launch, mended.state.machines);
  return answer;
}

function checkUserData({ work, settings, around, spec }: Launch): Failure | null {
  const { operationId: launchId, shutdownAt, vms: machines } = spec;
  const place = around.places[0];
  const whole = composeSpec(work.site, settings, around, [], { launchId, shutdownAt, place, machines });
  for (const machine of whole.machines) {
    const data = userData(whole, machine);
    if (!data.ok) return { kind: 'program', problem: data.problem, remedy: data.remedy };
  }
  return null;
}

/** The security group is where it is as long as machines live in it: one of another VPC could not be theirs too. */
async function checkVpc({ work, around: { vpcId } }: Launch): Promise<Failure | null> {
  try {
    const listed = await work.cloud.listMachines(work.asked);
    const other = listed.find(
      (machine) => machine.state !== 'shutting-down' && machine.vpcId !== null && machine.vpcId !== vpcId,
    );
    if (!other) return null;
    return {
      kind: 'program',
      problem: `The configuration leads to ${vpcId}, and machines of this deployment live in ${String(other.vpcId)} (${other.hostname ?? other.instanceId}): a fleet is in one VPC.`,
      remedy:
        'Set machine.vpc_id and machine.subnet_ids back, and start the server again; or destroy all machines before the VPC is changed.',
    };
  } catch (error) {
    if (error instanceof CloudError) return failureOf(error);
    throw error;
  }
}

function sayElsewhere({ work }: Launch, from: Place, to: Place | undefined): void {
  if (to === undefined) return;
  work.tell({
    level: 'warning',
    text: `No room for ${from.instanceType} in ${from.zone}; the rest is tried as ${to.instanceType} in ${to.zone}.`,
  });
}

function whyNotBegun(failure: Failure | null): string {
  return failure === null ? 'It was not begun.' : `It was not begun: ${failure.problem}`;
}

const CANCELLED: Failure = {
  kind: 'cancelled',
  problem: 'The run was cancelled.',
  remedy: 'What was made stays; launch more, or destroy all.',
};

const UNFINISHED: Failure = {
  kind: 'engine',
  problem: 'The engine ended, and not all machines are there.',
  remedy: 'The output says why, machine by machine. Launch as many as are missing again.',
};

export function failedResult({ kind, problem, remedy }: Failure): ProvisionResult {
  return fail({ code: kind, message: problem, remedy });
}
