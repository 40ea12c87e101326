// The agent: everything that it does at once, until it is told to stop. Knows no environment, no signal handler and no
// exit: main.ts does, and so does whoever runs agents within a process of their own.
import { access, constants } from 'node:fs/promises';
import { createApi } from './api.ts';
import { deliverAssignments } from './deliver.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { makeFolder } from './keep.ts';
import { shipLogs } from './logs/ship.ts';
import { openMemory } from './memory.ts';
import type { AgentExit, AgentOptions } from './options.ts';
import type { AgentParts } from './parts.ts';
import { createPresence } from './presence.ts';
import { createRecycler } from './recycle.ts';
import { reportGpuHealth, reportInUse, reportTimings } from './reports.ts';
import type { RetryDependencies } from './retry.ts';
import { createTroubles } from './troubles.ts';
import { createTurns } from './turn.ts';

/**
 * Runs an agent until `options.signal` is aborted (then it stops within `stopGraceMs`, sooner with `forceSignal`), or
 * until it cannot go on. Touches nothing global; several may run in one process, each with its own state folder.
 */
export async function runAgent(options: AgentOptions): Promise<AgentExit> {
  const { log } = options.world;
  const unusable = await whyUnusable(options.stateFolder);
  if (unusable !== null) return { kind: 'fault', message: unusable };
  const crash = new AbortController();
  const finished = new AbortController();
  const stopping = AbortSignal.any([options.signal, options.forceSignal, crash.signal]);
  const closing = closeAfter(options, stopping, finished.signal);
  log.info(`lablink-agent for ${options.hostname}, reporting to ${options.allocatorUrl}`);
  const tasks = startTasks(await makeParts(options, stopping, closing));
  for (const task of tasks) task.catch((error: unknown) => crash.abort(error));
  const ends = await Promise.allSettled(tasks);
  finished.abort();
  const bug = ends.find((end) => end.status === 'rejected');
  if (bug) return { kind: 'fault', message: describe(bug.reason) };
  log.info('stopped');
  return { kind: 'stopped' };
}

async function makeParts(
  options: AgentOptions,
  stopping: AbortSignal,
  closing: AbortSignal,
): Promise<AgentParts> {
  const { clock, random, log } = options.world;
  const troubles = createTroubles(log);
  const retry: RetryDependencies = {
    api: createApi(options),
    clock,
    random,
    intervals: options.intervals,
    troubles,
  };
  const memory = await openMemory(options.stateFolder, troubles);
  const presence = createPresence({ ...retry, options, memory, stopping });
  return { ...retry, options, memory, presence, turns: createTurns(), stopping, closing };
}

function startTasks(parts: AgentParts): Promise<void>[] {
  const recycler = createRecycler(parts);
  return [
    parts.presence.run(),
    deliverAssignments(parts),
    recycler.run(),
    sendHeartbeats(parts, recycler),
    reportGpuHealth(parts),
    reportInUse(parts),
    reportTimings(parts),
    shipLogs(parts),
  ];
}

/** Aborted when the grace after `stopping` is over, or at once by force; or when there is nothing left to close. */
function closeAfter(options: AgentOptions, stopping: AbortSignal, finished: AbortSignal): AbortSignal {
  const closing = new AbortController();
  const sooner = AbortSignal.any([options.forceSignal, finished]);
  const begin = () => {
    void options.world.clock
      .sleep(options.intervals.stopGraceMs, sooner)
      .then(() => closing.abort(new Error('the agent has stopped')));
  };
  if (stopping.aborted) begin();
  else stopping.addEventListener('abort', begin, { once: true });
  return closing.signal;
}

/** A sentence, or null where the folder can be used. */
async function whyUnusable(stateFolder: string): Promise<string | null> {
  try {
    await makeFolder(stateFolder);
    await access(stateFolder, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `The agent's own folder cannot be used (LABLINK_AGENT_STATE): ${reason}`;
  }
}

function describe(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
