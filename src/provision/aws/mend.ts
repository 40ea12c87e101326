// State and cloud brought together, before anything new is made: what an interrupted run left. Ended by itself is only
// what carries our uid, comes from an interrupted launch and was never assigned; the rest is told of, and stays.
import type { CloudMachine } from './cloud.ts';
import type { EngineState } from './engine/messages.ts';
import type { CloudPart } from './parts/part.ts';
import { sweepParts } from './sweep.ts';
import { failedBy, withEngine, type Done, type Engine, type Failed, type Work } from './work.ts';

export type Mended = {
  readonly state: EngineState;
  /** Machines with our uid that no state knows, and that stay. */
  readonly orphans: readonly CloudMachine[];
  /** Hostnames of machines that no state knew, and that were ended. */
  readonly ended: readonly string[];
  /** Shared parts that no state knew, and that were removed. */
  readonly swept: readonly CloudPart[];
};

const NO_STATE: EngineState = { machines: [], others: [], pending: [] };

/**
 * @param launchId the launch that this is a part of: what it left unfinished is interrupted too
 * @param broken whether the run before this broke off, whatever the state says
 */
export async function mend(
  work: Work,
  engine: Engine,
  launchId: string | null,
  broken = false,
): Promise<Done<Mended> | Failed> {
  const state = engine.state ?? NO_STATE;
  try {
    const listed = (await work.cloud.listMachines(work.forced)).filter(
      (machine) => machine.state !== 'shutting-down',
    );
    const known = new Set(state.machines.map(({ instanceId }) => instanceId));
    const orphans = listed.filter(({ instanceId }) => !known.has(instanceId));
    const ending = await whichEnd(work, orphans, state, launchId);
    if (ending.length > 0) await endThem(work, ending);
    // Of a destroy that broke off nobody knows what it had ended.
    const fresh = await refreshed(work, engine, state, { listed, anyway: broken && launchId === null });
    if (!fresh.ok) return fresh;
    const staying = orphans.filter((machine) => !ending.includes(machine));
    tellOfStaying(work, staying);
    const living = new Set(fresh.value.machines.map(({ hostname }) => hostname));
    for (const { hostname } of [...state.machines, ...ending])
      if (hostname !== null && !living.has(hostname)) work.site.recent.remove(hostname);
    const isSettled = fresh.value.pending.length === 0;
    const swept = isSettled && (broken || state.pending.length > 0) ? await sweep(work, fresh.value) : [];
    return {
      ok: true,
      value: {
        state: fresh.value,
        orphans: staying,
        ended: ending.flatMap(({ hostname }) => hostname ?? []),
        swept,
      },
    };
  } catch (error) {
    return failedBy(error);
  }
}

function tellOfStaying({ tell }: Work, machines: readonly CloudMachine[]): void {
  for (const { hostname, instanceId } of machines)
    tell({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The machine ${instanceId} is ours by its tags, but no state knows it; it stays.`,
    });
}

/** The engine did not come to its end: what it left is brought in order now, not by the next run. Null where it cannot be. */
export async function mendBroken(
  work: Work,
  { failure }: Failed,
  launchId: string | null,
): Promise<Mended | null> {
  if (work.forced.aborted || failure.kind === 'busy') return null;
  const still = { ...work, asked: new AbortController().signal };
  const mended = await withEngine(still, false, (engine) => mend(still, engine, launchId, true));
  if (mended.ok) return mended.value;
  work.tell({ level: 'warning', text: `What is there could not be checked: ${mended.failure.problem}` });
  return null;
}

async function sweep(work: Work, state: EngineState): Promise<readonly CloudPart[]> {
  const { removed, problems } = await sweepParts(work, state, { keepLogs: true });
  for (const problem of problems)
    work.tell({ level: 'warning', text: `What an interrupted run left could not be looked for: ${problem}` });
  return removed;
}

async function whichEnd(
  { site }: Work,
  orphans: readonly CloudMachine[],
  state: EngineState,
  launchId: string | null,
): Promise<CloudMachine[]> {
  if (orphans.length === 0) return [];
  const standings = await site.standing(orphans);
  const pending = new Set(state.pending.map((urn) => urn.slice(urn.lastIndexOf('::') + 2)));
  return orphans.filter((machine) => {
    const standing = standings.get(machine.instanceId);
    if (!standing?.known || standing.assigned) return false;
    const isPending = machine.hostname !== null && pending.has(machine.hostname);
    // Where the state has nothing at all it may have been lost, and the machines be whole.
    const overlooked = standing.failed && state.others.length > 0;
    return standing.interrupted || overlooked || isPending || machine.launchId === launchId;
  });
}

async function endThem({ cloud, forced, tell }: Work, machines: readonly CloudMachine[]): Promise<void> {
  for (const { hostname, instanceId } of machines)
    tell({
      level: 'warning',
      ...(hostname !== null && { hostname }),
      text: `The machine ${instanceId} was left over from an interrupted launch, and no state knows it; it is ended.`,
    });
  await cloud.terminate(
    machines.map(({ instanceId }) => instanceId),
    forced,
  );
}

/** Where the state tells of what is not there, or of what was under way, it is read anew from the cloud. */
async function refreshed(
  { site, tell, asked }: Work,
  engine: Engine,
  state: EngineState,
  { listed, anyway }: { readonly listed: readonly CloudMachine[]; readonly anyway: boolean },
): Promise<Done<EngineState> | Failed> {
  const there = new Set([
    ...listed.map(({ instanceId }) => instanceId),
    ...site.recent.list().map(({ instanceId }) => instanceId),
  ]);
  const gone = state.machines.filter(({ instanceId }) => !there.has(instanceId));
  const isAsItWas = gone.length === 0 && state.pending.length === 0;
  if (isAsItWas && !(anyway && state.machines.length > 0)) return { ok: true, value: state };
  // The engine would not begin: whoever opens the stack next does it.
  if (asked.aborted) return { ok: true, value: state };
  const found =
    gone.length > 0
      ? `${gone.map(({ hostname }) => hostname).join(', ')} ended without us`
      : 'an earlier run was interrupted';
  tell({ level: 'info', text: `The state is compared with the cloud: ${found}.` });
  const answer = await engine.order({ kind: 'refresh' });
  return answer.ok ? { ok: true, value: answer.value ?? NO_STATE } : answer;
}
