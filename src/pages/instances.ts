// The machines as a table, one row each.
import type { components } from '../contract/openapi.gen.ts';
import { ago } from './ago.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { shownSentence } from './words/lab.ts';

type Vm = components['schemas']['Vm'];

export type InstancesModel = {
  readonly vms: readonly Vm[];
  /** How many machines there are, shown or not. */
  readonly total: number;
  /** Last seen is told against this clock. */
  readonly now: Date;
};

/** The page of machines. */
export function renderInstances({ vms, total, now }: InstancesModel): string {
  return render('instances', {
    ...layoutView({ title: words.instances.title, area: 'admin', current: '/admin/instances' }),
    any: vms.length > 0,
    shown: shownSentence(vms.length, total),
    rows: vms.map((vm) => rowView(vm, now)),
  });
}

function rowView(vm: Vm, now: Date): View {
  return {
    hostname: vm.hostname,
    logs: `/admin/logs/${encodeURIComponent(vm.hostname)}`,
    provider: vm.provider,
    status: vm.status,
    statusLabel: words.vmStatus[vm.status],
    since: timeView(vm.status_since, now),
    assignment: vm.assignment && {
      email: vm.assignment.email,
      pin: vm.assignment.pin,
      state: words.assignmentState[vm.assignment.state],
    },
    inUse: vm.in_use === null ? words.notSaid : yesNo(vm.in_use),
    gpu: vm.gpu_health ?? words.notSaid,
    unhealthy: vm.gpu_health === 'Unhealthy',
    seen: vm.last_seen_at === null ? null : timeView(vm.last_seen_at, now),
    waiting: yesNo(vm.waiting),
  };
}

function timeView(timestamp: string, now: Date): View {
  return { timestamp, ago: ago(timestamp, now) };
}

function yesNo(value: boolean): string {
  return value ? words.yes : words.no;
}
