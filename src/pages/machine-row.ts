// One row of the table of machines as text: rendered by the server, and kept up to date by the browser. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { overdueSentence } from '../vms/deadlines.ts';
import { isOverdue, type TableVm } from '../vms/vm-table.ts';
import { startupPhases } from './chart-labels.ts';
import { ago, say, sayNumber } from './spans.ts';
import { assignmentLabel, NOT_ASSIGNED, RESERVED, vmStatusLabels } from './status-labels.ts';
import { vmLogsHref, vmPageHref } from './hrefs.ts';

type Vm = components['schemas']['Vm'];

export const NOT_KNOWN = 'Not known';
const NEVER = 'Never';

export function machineRow(vm: Vm, now: Date) {
  const { hostname, status, assignment } = vm;
  return {
    hostname,
    href: vmPageHref(hostname),
    logs: vmLogsHref(hostname),
    logsLabel: `Log of ${hostname}`,
    tickLabel: `Select ${hostname}`,
    status,
    statusLabel: vmStatusLabels[status],
    since: timeView(vm.status_since, now),
    attention: attentionText(vm, now),
    email: assignment?.email ?? '',
    assignment: assignment ? personText(assignment) : vm.reserved ? RESERVED : NOT_ASSIGNED,
    inUse: yesOrNo(vm.in_use),
    gpu: vm.gpu_health ?? NOT_KNOWN,
    seen: vm.last_seen_at === null ? null : timeView(vm.last_seen_at, now),
    never: NEVER,
    startup: vm.timings.total_seconds === null ? '' : say(sayNumber(vm.timings.total_seconds), 's'),
    startupPhases: startupText(vm.timings) ?? '',
  };
}

/** `Ada Lovelace · Connected`; without a name on the roster, the state alone. */
function personText(assignment: NonNullable<Vm['assignment']>): string {
  const { name = '' } = assignment;
  return [...(name === '' ? [] : [name]), assignmentLabel(assignment)].join(' · ');
}

export type VmRow = ReturnType<typeof machineRow>;

/** `Machines: 12`, or `Machines: 3 / 12` where not all match. */
export function countText(matching: number, total: number): string {
  return `Machines: ${matching === total ? total : `${matching} / ${total}`}`;
}

/** What the browser keeps of a machine, to search, filter and sort it without asking the server. */
export function tableVm(vm: TableVm): TableVm {
  const {
    hostname,
    status,
    in_use,
    gpu_health,
    twin_since,
    reserved,
    last_seen_at,
    assignment,
    attention,
    deadline,
    timings,
  } = vm;
  return {
    hostname,
    status,
    in_use,
    gpu_health,
    twin_since,
    reserved,
    last_seen_at,
    assignment: assignment && {
      email: assignment.email,
      state: assignment.state,
      ...(assignment.name !== undefined && { name: assignment.name }),
    },
    attention: attention && {},
    deadline: deadline && { activity: deadline.activity, since: deadline.since, due_at: deadline.due_at },
    timings: { total_seconds: timings.total_seconds },
  };
}

/** Why the machine needs the admin; empty where it does not. */
function attentionText(vm: Vm, now: Date): string {
  return vm.attention?.message ?? overdueText(vm, now) ?? '';
}

/** What takes too long; null where nothing does. */
export function overdueText(vm: Pick<TableVm, 'deadline'>, now: Date): string | null {
  const { deadline } = vm;
  if (deadline === null || !isOverdue(vm, now)) return null;
  return overdueSentence(deadline.activity, now.getTime() - Date.parse(deadline.since));
}

export function timeView(timestamp: string, now: Date) {
  return { timestamp, ago: ago(timestamp, now) };
}

export function yesOrNo(value: boolean | null): string {
  return value === null ? NOT_KNOWN : value ? 'Yes' : 'No';
}

/** `created 41 s, boot 62 s, container 12 s`; null where nothing is known. */
export function startupText(timings: Vm['timings']): string | null {
  const known = startupPhases.flatMap(({ key, short }) => {
    const seconds = timings[key];
    return seconds === null ? [] : [`${short}\u00a0${say(sayNumber(seconds), 's')}`];
  });
  return known.length === 0 ? null : known.join(', ');
}
