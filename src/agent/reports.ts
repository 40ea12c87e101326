// What is reported when it changes: GPU health, in-use, start-up timings.
import type { Send } from './api.ts';
import { readGpuHealth } from './gpu.ts';
import type { RunningProcess } from './options.ts';
import type { AgentParts } from './parts.ts';
import { delayAfter, isFinal, isUnknownVm, sentenceOf } from './retry.ts';
import { isAborted } from './turn.ts';

type Report<T> = {
  /** For the log: "the GPU's health". */
  readonly what: string;
  readonly everyMs: number;
  /** Null = nothing to report (yet). */
  readonly read: () => Promise<T | null>;
  readonly send: (value: T) => Send<unknown>;
  /** For the log. */
  readonly show: (value: T) => string;
};

/** Reads again and again, and reports what differs from what was reported last. Runs until the agent stops. */
async function reportChanges<T>(parts: AgentParts, report: Report<T>): Promise<void> {
  const { stopping, presence, troubles, options } = parts;
  await presence.announced;
  let reported: { readonly text: string; readonly births: number } | null = null;
  let failures = 0;
  while (!stopping.aborted) {
    let delay = report.everyMs;
    const value = await report.read();
    const current = { text: JSON.stringify(value), births: presence.births };
    const isNew = reported?.text !== current.text || reported.births !== current.births;
    if (value !== null && isNew && !isAborted(stopping)) {
      const answer = await parts.api.ask(report.send(value), stopping);
      if (answer.kind === 'ok') {
        troubles.over(report.what);
        if (reported?.text !== current.text)
          options.world.log.info(`reported ${report.what}: ${report.show(value)}`);
        reported = current;
        failures = 0;
      } else if (!isAborted(stopping)) {
        troubles.tell(report.what, sentenceOf(answer));
        if (isUnknownVm(answer)) presence.tellAgain();
        else if (isFinal(answer)) reported = current;
        delay = Math.max(delay, delayAfter(answer, failures++, parts));
      }
    }
    await options.world.clock.sleep(delay, stopping);
  }
}

export function reportGpuHealth(parts: AgentParts): Promise<void> {
  const { hostname, intervals } = parts.options;
  return reportChanges(parts, {
    what: "the GPU's health",
    everyMs: intervals.gpuMs,
    read: () => readGpuHealth(parts),
    send: (health) => (client, signal) =>
      client.POST('/api/gpu_health', { body: { hostname, gpu_status: health }, signal }),
    show: (health) => health,
  });
}

export async function reportInUse(parts: AgentParts): Promise<void> {
  const { hostname, intervals, software, world } = parts.options;
  if (software === null) return;
  await reportChanges(parts, {
    what: 'whether the machine is in use',
    everyMs: intervals.inUseMs,
    read: async () => {
      const processes = await world.listProcesses();
      return processes && isRunning(software, processes);
    },
    send: (isInUse) => (client, signal) =>
      client.POST('/api/update_inuse_status', { body: { hostname, status: isInUse }, signal }),
    show: (isInUse) => (isInUse ? 'yes' : 'no'),
  });
}

export function reportTimings(parts: AgentParts): Promise<void> {
  const { hostname, intervals, timings } = parts.options;
  return reportChanges(parts, {
    what: 'start-up timings',
    everyMs: intervals.timingsMs,
    read: timings,
    send: (known) => (client, signal) =>
      client.POST('/api/vm-metrics/{hostname}', { params: { path: { hostname } }, body: known, signal }),
    show: (known) => Object.keys(known).join(', '),
  });
}

/** As the agents of the field have it: the software's name is somewhere in the command line of a process. */
export function isRunning(software: string, processes: readonly RunningProcess[]): boolean {
  return processes.some(({ commandLine }) => commandLine.some((part) => part.includes(software)));
}
