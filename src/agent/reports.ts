// Values that are reported when they change: GPU health, in-use, start-up timings.
import { isAborted, sleep } from '../async/abort.ts';
import type { AgentContext } from './context.ts';
import { readGpuHealth } from './gpu.ts';
import type { RunningProcess } from './processes.ts';
import { delayAfter, isFinal, type Send } from './requests.ts';
import { describeFailure } from '../result.ts';

type Report<T> = {
  /** For the log: "the GPU's health". */
  readonly what: string;
  readonly everyMs: number;
  /** Null: nothing to report (yet). */
  readonly read: () => Promise<T | null>;
  readonly send: (value: T) => Send<unknown>;
  /** For the log. */
  readonly show: (value: T) => string;
};

/** Reads again and again, and reports what differs from the last report. Runs until the agent stops. */
async function reportChanges<T>(context: AgentContext, report: Report<T>): Promise<void> {
  const { api, stopping, presence, errors, options } = context;
  await presence.announced;
  let reported: { readonly text: string; readonly generation: number } | null = null;
  let failures = 0;
  while (!stopping.aborted) {
    let delayMs = report.everyMs;
    const value = await report.read();
    const current = { text: JSON.stringify(value), generation: presence.generation };
    const isNew = reported?.text !== current.text || reported.generation !== current.generation;
    if (value !== null && isNew && !isAborted(stopping)) {
      const answer = await api.ask(report.send(value), stopping);
      if (answer.ok) {
        errors.resolve(report.what);
        if (reported?.text !== current.text)
          options.dependencies.log.info(`reported ${report.what}: ${report.show(value)}`);
        reported = current;
        failures = 0;
      } else if (!isAborted(stopping)) {
        const { failure } = answer;
        errors.report(report.what, describeFailure(failure));
        if (failure.code === 'unknown_vm') presence.reportAgain();
        else if (isFinal(failure)) reported = current;
        delayMs = Math.max(delayMs, delayAfter(answer, failures++, options.intervals));
      }
    }
    await sleep(delayMs, stopping);
  }
}

export function reportGpuHealth(context: AgentContext): Promise<void> {
  const { hostname, intervals } = context.options;
  return reportChanges(context, {
    what: "the GPU's health",
    everyMs: intervals.gpuMs,
    read: () => readGpuHealth(context),
    send: (health) => (client, signal) =>
      client.POST('/api/gpu_health', { body: { hostname, gpu_status: health }, signal }),
    show: (health) => health,
  });
}

export async function reportInUse(context: AgentContext): Promise<void> {
  const { hostname, intervals, software, dependencies } = context.options;
  if (software === null) return;
  await reportChanges(context, {
    what: 'whether the machine is in use',
    everyMs: intervals.inUseMs,
    read: async () => {
      const processes = await dependencies.listProcesses();
      return processes && isRunning(software, processes);
    },
    send: (isInUse) => (client, signal) =>
      client.POST('/api/update_inuse_status', { body: { hostname, status: isInUse }, signal }),
    show: (isInUse) => (isInUse ? 'yes' : 'no'),
  });
}

export function reportTimings(context: AgentContext): Promise<void> {
  const { hostname, intervals, timings } = context.options;
  return reportChanges(context, {
    what: 'start-up timings',
    everyMs: intervals.timingsMs,
    read: timings,
    send: (known) => (client, signal) =>
      client.POST('/api/vm-metrics/{hostname}', { params: { path: { hostname } }, body: known, signal }),
    show: (known) => Object.keys(known).join(', '),
  });
}

/** As in the published agents: the software's name is anywhere in the command line of a process. */
export function isRunning(software: string, processes: readonly RunningProcess[]): boolean {
  return processes.some(({ commandLine }) => commandLine.some((part) => part.includes(software)));
}
