// One row of the table of machines. The live page builds the same row (templates/public/machine-row.js).
import type { components } from '../contract/openapi.gen.ts';
import type { View } from './render.ts';
import { ago, say, sayNumber } from './spans.ts';
import { vmLogsHref, vmPageHref } from './vm-href.ts';
import { words } from './words.ts';

type Vm = components['schemas']['Vm'];

export function machineRow(vm: Vm, now: Date): View {
  return {
    hostname: vm.hostname,
    href: vmPageHref(vm.hostname),
    logs: vmLogsHref(vm.hostname),
    provider: vm.provider,
    status: vm.status,
    statusLabel: words.vmStatus[vm.status],
    since: timeView(vm.status_since, now),
    attention: vm.attention?.message ?? null,
    deadline:
      vm.deadline &&
      JSON.stringify({
        activity: vm.deadline.activity,
        since: vm.deadline.since,
        due_at: vm.deadline.due_at,
      }),
    released: vm.assignment?.state === 'released',
    email: vm.assignment?.email ?? null,
    person: vm.assignment && {
      email: vm.assignment.email,
      state: words.assignmentState[vm.assignment.state],
    },
    inUse: vm.in_use === null ? words.notSaid : vm.in_use ? words.yes : words.no,
    gpu: vm.gpu_health ?? words.notSaid,
    seen: vm.last_seen_at === null ? null : timeView(vm.last_seen_at, now),
    startup: startupText(vm.timings),
    total: vm.timings.total_seconds ?? '',
  };
}

export function timeView(timestamp: string, now: Date): View {
  return { timestamp, ago: ago(timestamp, now) };
}

/** `made 41 s, boot 62 s, container 12 s`; null where nothing is known. */
export function startupText(timings: Vm['timings']): string | null {
  const parts = [
    [words.lab.table.startupParts.provisioning, timings.provisioning_seconds],
    [words.lab.table.startupParts.cloud_init, timings.cloud_init_seconds],
    [words.lab.table.startupParts.container, timings.container_seconds],
  ] as const;
  const known = parts.flatMap(([label, seconds]) =>
    seconds === null ? [] : [`${label}\u00a0${say(sayNumber(seconds), 's')}`],
  );
  return known.length === 0 ? null : known.join(', ');
}
