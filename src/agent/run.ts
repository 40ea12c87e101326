// The agent: its tasks run side by side until it must stop. Knows no environment, no signal handler and no exit: main.ts
// does, and so does a process that runs agents of its own.
import { access, constants } from 'node:fs/promises';
import { Mutex } from 'async-mutex';
import { sleep } from '../async/abort.ts';
import { fail, succeed, type Result } from '../result.ts';
import type { AgentContext } from './context.ts';
import { deliverAssignments } from './deliver.ts';
import { createErrorLog } from './error-log.ts';
import { sendHeartbeats } from './heartbeat.ts';
import { shipLogs } from './logs/ship.ts';
import type { AgentOptions } from './options.ts';
import { createPresence } from './presence.ts';
import { createRecycler } from './recycle.ts';
import { reportGpuHealth, reportInUse, reportTimings } from './reports.ts';
import { createApi } from './requests.ts';
import { makeFolder } from './saved-file.ts';
import { openState } from './state.ts';

/**
 * Runs an agent until `options.signal` is aborted (then it stops within `stopGraceMs`, sooner with `forceSignal`), or
 * until it cannot go on (a sentence). Touches nothing global; several may run in one process, each with its own folder.
 */
export async function runAgent(options: AgentOptions): Promise<Result<undefined, string>> {
  const { log } = options.dependencies;
  const usable = await checkStateFolder(options.stateFolder);
  if (!usable.ok) return usable;
  const crash = new AbortController();
  const finished = new AbortController();
  const stopping = AbortSignal.any([options.signal, options.forceSignal, crash.signal]);
  const closing = closeAfter(options, stopping, finished.signal);
  log.info(`lablink-agent for ${options.hostname}, reporting to ${options.allocatorUrl}`);
  const tasks = startTasks(await createContext(options, stopping, closing));
  for (const task of tasks) task.catch((error: unknown) => crash.abort(error));
  const ends = await Promise.allSettled(tasks);
  finished.abort();
  const bug = ends.find((end) => end.status === 'rejected');
  if (bug) return fail(describe(bug.reason));
  log.info('stopped');
  return succeed(undefined);
}

async function createContext(
  options: AgentOptions,
  stopping: AbortSignal,
  closing: AbortSignal,
): Promise<AgentContext> {
  const errors = createErrorLog(options.dependencies.log);
  const requests = { options, api: createApi(options), errors };
  const state = await openState(options.stateFolder, errors);
  const presence = createPresence({ ...requests, state, stopping });
  return { ...requests, state, presence, exclusive: new Mutex(), stopping, closing };
}

function startTasks(context: AgentContext): Promise<void>[] {
  const recycler = createRecycler(context);
  return [
    context.presence.run(),
    deliverAssignments(context),
    recycler.run(),
    sendHeartbeats(context, recycler),
    reportGpuHealth(context),
    reportInUse(context),
    reportTimings(context),
    shipLogs(context),
  ];
}

/** Aborted after the grace that begins with `stopping`, or at once by force or when all tasks have ended. */
function closeAfter(options: AgentOptions, stopping: AbortSignal, finished: AbortSignal): AbortSignal {
  const closing = new AbortController();
  const sooner = AbortSignal.any([options.forceSignal, finished]);
  const begin = async (): Promise<void> => {
    await sleep(options.intervals.stopGraceMs, sooner);
    closing.abort(new Error('the agent has stopped'));
  };
  if (stopping.aborted) void begin();
  else stopping.addEventListener('abort', () => void begin(), { once: true });
  return closing.signal;
}

async function checkStateFolder(stateFolder: string): Promise<Result<undefined, string>> {
  try {
    await makeFolder(stateFolder);
    await access(stateFolder, constants.R_OK | constants.W_OK | constants.X_OK);
    return succeed(undefined);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return fail(`The agent's own folder (LABLINK_AGENT_STATE) cannot be used: ${reason}`);
  }
}

function describe(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
