// Ending machines on AWS: all of them and what they share, or some by name. The engine ends what its state knows; then the
// cloud itself is asked, which is the proof. What the state does not know is ended where its launch is ours.
import { setTimeout as delay } from 'node:timers/promises';
import { succeed } from '../../result.ts';
import type { ProvisionReport, ProvisionResult } from '../provider.ts';
import type { CloudMachine } from './cloud.ts';
import { composeSpec } from './compose-spec.ts';
import type { EngineFact } from './engine/facts.ts';
import type { EngineState, Order } from './engine/messages.ts';
import { lastWords } from './engine/failure.ts';
import { failedResult } from './launch.ts';
import { mend, mendBroken } from './mend.ts';
import { redact } from './redact.ts';
import { sweepParts } from './sweep.ts';
import type { AwsSettings, NotSet } from './settings.ts';
import { findSurroundings } from './surroundings.ts';
import { failedBy, withEngine, type Done, type Engine, type Failed, type Work } from './work.ts';

const PROOF_POLL_MS = 1_000;

/** With nothing launched it succeeds. */
export async function destroyAll(work: Work, report: ProvisionReport): Promise<ProvisionResult> {
  const ended = await withEngine(work, false, async (engine) => {
    if (engine.state === null) return NOTHING;
    const mended = await mend(work, engine, null);
    if (!mended.ok) return mended;
    for (const hostname of mended.value.ended) await gone(work, report, hostname);
    if (isEmpty(mended.value.state)) return NOTHING;
    return carryOut(work, engine, { kind: 'destroy' }, report);
  });
  return ended.ok ? destroyUnknown(work, report) : failedResult(ended.failure);
}

/** What no state knows, by the cloud alone; and the proof. */
export async function destroyUnknown(work: Work, report: ProvisionReport): Promise<ProvisionResult> {
  try {
    await endOrphans(work, report);
    await prove(work);
    if (!work.asked.aborted) await proveParts(work);
    return succeed();
  } catch (error) {
    return failedResult(failedBy(error).failure);
  }
}

/** Ends these, and leaves the others and what they share. */
export async function destroySome(
  work: Work,
  settings: AwsSettings | NotSet,
  hostnames: readonly string[],
  report: ProvisionReport,
): Promise<ProvisionResult> {
  const ending = new Set(hostnames);
  const ended = await withEngine(work, false, async (engine) => {
    if (engine.state === null) return NOTHING;
    const mended = await mend(work, engine, null);
    if (!mended.ok) return mended;
    for (const hostname of mended.value.ended) await gone(work, report, hostname);
    const names = mended.value.state.machines.map(({ hostname }) => hostname);
    if (!names.some((name) => ending.has(name))) return NOTHING;
    if (!settings.ok) return { ok: false, failure: { kind: 'program', ...settings }, text: '' };
    const around = await findSurroundings(work.cloud, settings, work.asked);
    if (!around.ok) return { ...around, text: '' };
    const living = names.filter((name) => !ending.has(name));
    const spec = composeSpec(work.site, settings, around, living, null);
    return carryOut(work, engine, { kind: 'up', spec }, report);
  });
  if (!ended.ok) return failedResult(ended.failure);
  try {
    const listed = await living(work);
    await endInCloud(
      work,
      report,
      listed.filter(({ hostname }) => hostname !== null && ending.has(hostname)),
    );
    for (const hostname of hostnames) await gone(work, report, hostname);
    return succeed();
  } catch (error) {
    return failedResult(failedBy(error).failure);
  }
}

const NOTHING: Done<EngineState | null> = { ok: true, value: null };

function isEmpty({ machines, others, pending }: EngineState): boolean {
  return machines.length === 0 && others.length === 0 && pending.length === 0;
}

async function carryOut(
  work: Work,
  engine: Engine,
  order: Order,
  report: ProvisionReport,
): Promise<Done<EngineState | null> | Failed> {
  const reports: Promise<void>[] = [];
  const answer = await engine.order(order, (fact) => reports.push(hear(work, report, fact)));
  await Promise.all(reports);
  if (answer.ok || answer.failure.kind !== 'engine') return answer;
  const mended = await mendBroken(work, answer, null);
  for (const hostname of mended?.ended ?? []) await gone(work, report, hostname);
  return answer;
}

async function hear(work: Work, report: ProvisionReport, fact: EngineFact): Promise<void> {
  const { tell, secrets } = work;
  if (fact.kind === 'begun' && fact.doing === 'end')
    tell({ level: 'info', hostname: fact.hostname, text: 'Is being ended.' });
  if (fact.kind === 'refused')
    tell({
      level: 'error',
      hostname: fact.hostname,
      text: `Not ended: ${lastWords(redact(fact.text, secrets))}`,
    });
  if (fact.kind === 'said' && fact.hostname === null)
    tell({ level: fact.level, text: redact(fact.text, secrets) });
  if (fact.kind === 'done' && fact.did === 'end') await gone(work, report, fact.hostname);
}

async function gone({ site }: Work, report: ProvisionReport, hostname: string): Promise<void> {
  site.recent.remove(hostname);
  await report.gone(hostname);
}

async function living({ cloud, forced }: Work): Promise<CloudMachine[]> {
  return (await cloud.listMachines(forced)).filter(({ state }) => state !== 'shutting-down');
}

/** What the state does not know, and one of our own launches made. What came from elsewhere is an admin's to decide. */
async function endOrphans(work: Work, report: ProvisionReport): Promise<void> {
  const listed = await living(work);
  if (listed.length === 0) return;
  const standings = await work.site.standing(listed);
  await endInCloud(
    work,
    report,
    listed.filter(({ instanceId }) => standings.get(instanceId)?.known),
  );
}

async function endInCloud(
  work: Work,
  report: ProvisionReport,
  machines: readonly CloudMachine[],
): Promise<void> {
  if (machines.length === 0) return;
  for (const { hostname, instanceId } of machines)
    work.tell({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The machine ${instanceId} is ours, and no state knows it; it is ended.`,
    });
  await work.cloud.terminate(
    machines.map(({ instanceId }) => instanceId),
    work.forced,
  );
  for (const { hostname } of machines) if (hostname !== null) await gone(work, report, hostname);
}

/** EC2 may list for a while what is gone. What stays is told of; whoever called asks again, and judges. */
async function prove(work: Work): Promise<void> {
  const { site, tell, asked } = work;
  let left = await living(work);
  for (let waitedMs = 0; left.length > 0 && waitedMs < site.limits.listDelayMs && !asked.aborted;) {
    const standings = await site.standing(left);
    if (left.every(({ instanceId }) => standings.get(instanceId)?.known !== true)) break;
    await delay(PROOF_POLL_MS);
    waitedMs += PROOF_POLL_MS;
    left = await living(work);
  }
  tell({
    level: left.length === 0 ? 'info' : 'warning',
    text: `AWS was asked: ${left.length} ${left.length === 1 ? 'machine' : 'machines'} with the tags of this deployment.`,
  });
  for (const { hostname, instanceId } of left)
    tell({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The machine ${instanceId} has our tags, and comes from a launch that nobody here knows; it stays until an admin decides.`,
    });
}

/** They cost nothing: what stays, or may not be asked for, is told of and fails nothing. */
async function proveParts(work: Work): Promise<void> {
  const { left, problems } = await sweepParts(work, { machines: [], others: [] }, { keepLogs: false });
  for (const problem of problems)
    work.tell({ level: 'warning', text: `What machines shared could not be looked for: ${problem}` });
  if (problems.length > 0) return;
  work.tell(
    left.length === 0
      ? { level: 'info', text: 'AWS was asked: nothing is left of what machines shared.' }
      : {
          level: 'warning',
          text: `AWS was asked: of what machines shared, ${left.map(({ what, id }) => `the ${what} ${id}`).join(', ')} is left. It costs nothing; destroy again, or delete it in the AWS console.`,
        },
  );
}
