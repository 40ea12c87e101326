// The page of one machine: what is known of it, its person, what can be done, and what happened.
import type { components } from '../contract/openapi.gen.ts';
import { layoutView } from './layout.ts';
import { NEVER, NOT_KNOWN, startupText, timeView, yesOrNo } from './machine-row.ts';
import { operationAddress } from './operation-view.ts';
import { render, type View } from './render.ts';
import { vmApiHref, vmLogsHref, vmPageHref } from './vm-href.ts';
import { actionViews } from './vm-actions.ts';
import type { VmModel } from './vm-model.ts';
import { workSentence } from './vm-work.ts';
import { dataAddress } from './work.ts';
import { words } from './words.ts';

type Vm = components['schemas']['Vm'];
type Entry = components['schemas']['VmTimelineEntry'];

export function renderVm(model: VmModel): string {
  const { vm, done, error, timeline, now } = model;
  const actions = actionViews(model);
  return render('vm', {
    ...layoutView({
      title: vm.hostname,
      area: 'admin',
      styles: ['admin.css'],
      modules: ['live-page.js'],
      ...(error !== null && { titlePrefix: words.errorPrefix }),
    }),
    here: vmPageHref(vm.hostname),
    api: vmApiHref(vm.hostname),
    logs: vmLogsHref(vm.hostname),
    done: done && words.machine.done[done],
    error,
    status: vm.status,
    statusLabel: words.vmStatus[vm.status],
    since: timeView(vm.status_since, now),
    attention: vm.attention?.message ?? vm.deadline?.overdue_message ?? null,
    facts: factViews(model),
    person: personView(model),
    actions,
    timeline: timeline.map((entry) => entryView(entry, now)),
    isUntold: timeline.length === 0,
  });
}

function factViews({ vm, launchId, now }: VmModel): View[] {
  const { facts } = words.machine;
  const text = (label: string, value: string | null) => ({
    label,
    value: value ?? NOT_KNOWN,
    time: null,
    href: null,
  });
  const time = (label: string, at: string | null) =>
    at === null ? text(label, NEVER) : { label, value: '', time: timeView(at, now), href: null };
  return [
    text(facts.provider, vm.provider),
    text(facts.address, addressText(vm)),
    text(facts.gpu, vm.gpu_health),
    text(facts.inUse, yesOrNo(vm.in_use)),
    time(facts.seen, vm.last_seen_at),
    text(facts.waiting, yesOrNo(vm.waiting)),
    text(facts.boot, vm.boot_id),
    text(facts.disk, vm.free_disk_bytes === null ? null : gigabytes(vm.free_disk_bytes)),
    text(facts.startup, startupText(vm.timings)),
    time(facts.created, vm.created_at),
    text(facts.token, vm.has_token ? words.machine.hasToken : words.machine.noToken),
    ...(launchId === null
      ? []
      : [
          {
            label: facts.launch,
            value: words.machine.launchLink,
            time: null,
            href: operationAddress(launchId),
          },
        ]),
  ];
}

function addressText({ address, ssh_user, ssh_port }: Vm): string | null {
  if (address === null) return null;
  return `${ssh_user === null ? '' : `${ssh_user}@`}${address}${ssh_port === null ? '' : `:${ssh_port}`}`;
}

const GIGABYTE = 1e9;

function gigabytes(bytes: number): string {
  return `${(bytes / GIGABYTE).toFixed(1)} GB`;
}

function personView(model: VmModel): View | null {
  const { vm, browserAllowedUntil, now } = model;
  const { assignment } = vm;
  if (!assignment) return null;
  return {
    isLive: assignment.state !== 'released',
    email: assignment.email,
    pin: assignment.pin,
    state: words.assignmentState[assignment.state],
    since: timeView(assignment.assigned_at, now),
    browserAllowedUntil,
    work: workSentence(model),
    workHref: dataAddress(vm.hostname),
  };
}

function entryView({ at, kind, text, who }: Entry, now: Date): View {
  return { at: timeView(at, now), kind, text, who };
}
