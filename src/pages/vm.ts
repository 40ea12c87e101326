// The page of one machine: its details, its participant, the actions that are possible, its timeline.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { layoutView } from './layout.ts';
import { NOT_KNOWN, startupText, timeView, yesOrNo } from './machine-row.ts';
import { render, type View } from './render.ts';
import { assignmentLabel, vmStatusLabels } from './status-labels.ts';
import { actionViews } from './vm-actions.ts';
import { operationPageHref, vmLogsHref, vmPageHref } from './hrefs.ts';
import { dataHref, theirWorkSentence, type LastDownloadModel } from './work.ts';

type Vm = components['schemas']['Vm'];
type ActionName = components['schemas']['ActionName'];

export type VmModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly vm: Vm;
  /** Newest first. */
  readonly timeline: readonly components['schemas']['VmTimelineEntry'][];
  /** The launch that created the machine; null where none of ours did. */
  readonly launchId: string | null;
  /** Who has the assignment; null for a machine without one. */
  readonly access: { readonly browsers: number; readonly requestedFrom: string | null } | null;
  /** Until then a new browser needs no PIN. */
  readonly browserAllowedUntil: string | null;
  readonly freeCount: number;
  readonly canRestart: boolean;
  readonly isCreatedHere: boolean;
  /** Null where nothing was downloaded. */
  readonly lastDownload: LastDownloadModel | null;
  /** The action that led here. */
  readonly done: ActionName | null;
  /** Why an action failed. */
  readonly error: string | null;
  /** A token that was just issued, which is shown once. */
  readonly token?: string;
  readonly now: Date;
};

const doneSentences = {
  'allow-browser':
    'The PIN is new, and the earlier browsers have lost access. For ten minutes, the next other browser that submits the form with this e-mail address does not need the PIN.',
  reassign:
    'The participant has this machine now, and their page shows it. If it asks for a new command, they need to paste one.',
  release: 'The machine was released. It becomes free once its agent has reset it.',
  'mark-healthy': 'The machine counts as healthy until it reports otherwise.',
  restart: 'The machine is restarting. Its status changes to Running when it reports in.',
} as const satisfies Record<ActionName, string>;

export function renderVm(model: VmModel): string {
  const { vm, done, error, timeline, freeCount, canRestart, isCreatedHere, token = null, now } = model;
  const { hostname, status, attention, deadline } = vm;
  const work = workSentence(model);
  return render('vm', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: hostname,
      area: 'admin',
      current: '/admin/instances',
      styles: ['admin.css'],
      modules: ['live-page.js'],
      isError: error !== null,
    }),
    here: vmPageHref(hostname),
    logs: vmLogsHref(hostname),
    done: done && doneSentences[done],
    error,
    token: token === null ? null : { value: token, copy: { copies: token, what: 'token' } },
    status,
    statusLabel: vmStatusLabels[status],
    since: timeView(vm.status_since, now),
    attention: attention?.message ?? deadline?.overdue_message ?? null,
    ...factsView(model),
    participant: participantView(model, work),
    actions: actionViews({ vm, freeCount, canRestart, isCreatedHere, work, viewer: model.viewer }),
    timeline: timeline.map(({ at, kind, text, who }) => ({ at: timeView(at, now), kind, text, who })),
    hasTimeline: timeline.length > 0,
  });
}

const GIGABYTE = 1e9;

function factsView({ vm, launchId, now }: VmModel): View {
  const { free_disk_bytes: freeDisk, last_seen_at: seen } = vm;
  return {
    provider: vm.provider,
    address: addressText(vm),
    gpu: vm.gpu_health ?? NOT_KNOWN,
    inUse: yesOrNo(vm.in_use),
    seen: seen === null ? null : timeView(seen, now),
    waiting: vm.waiting,
    bootId: vm.boot_id ?? NOT_KNOWN,
    freeDisk: freeDisk === null ? NOT_KNOWN : `${(freeDisk / GIGABYTE).toFixed(1)} GB`,
    startup: startupText(vm.timings) ?? NOT_KNOWN,
    created: timeView(vm.created_at, now),
    hasToken: vm.has_token,
    launch: launchId === null ? null : operationPageHref(launchId),
  };
}

function addressText({ address, ssh_user, ssh_port }: Vm): string {
  if (address === null) return NOT_KNOWN;
  return `${ssh_user === null ? '' : `${ssh_user}@`}${address}${ssh_port === null ? '' : `:${ssh_port}`}`;
}

/** When the participant's work was downloaded; null for a machine without one. */
function workSentence({ vm: { assignment }, lastDownload, now }: VmModel): string | null {
  return assignment && theirWorkSentence(new Date(assignment.assigned_at), lastDownload, now);
}

function participantView(
  { vm, access, browserAllowedUntil, now }: VmModel,
  work: string | null,
): View | null {
  const { assignment, hostname, command_error: commandError } = vm;
  if (!assignment) return null;
  return {
    ...assignment,
    name: assignment.name ?? null,
    isLive: assignment.state !== 'released',
    state: assignmentLabel(assignment),
    commandError,
    since: timeView(assignment.assigned_at, now),
    requestedFrom: access?.requestedFrom ?? NOT_KNOWN,
    browsers: access?.browsers === 1 ? '1 browser' : `${access?.browsers ?? 0} browsers`,
    browserAllowedUntil,
    work,
    workHref: dataHref(hostname),
  };
}
