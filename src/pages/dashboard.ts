// The page of one operation and its machines; live with JavaScript, reloading without. A refused launch is answered with
// the same page: it says why, and has the form again.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { isActive } from '../vms/operation.ts';
import type { FormError } from './index-page.ts';
import { launchFormView, type LaunchFormModel } from './launch.ts';
import { layoutView } from './layout.ts';
import {
  kindLabels,
  leftSentence,
  machineOutcome,
  readySentence,
  reportedLabel,
} from './operation-labels.ts';
import { lineView, operationTitle, operationView, REFRESH_SECONDS } from './operations.ts';
import { render, type View } from './render.ts';
import { operationPageHref, vmPageHref } from './hrefs.ts';
import { shareView } from './share.ts';

type Operation = components['schemas']['Operation'];
type OperationEvent = components['schemas']['OperationEvent'];
type OperationVm = components['schemas']['OperationVm'];
type Vm = components['schemas']['Vm'];

export type DashboardModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly kind: Operation['kind'];
  /** Null where it was refused. */
  readonly operation: Operation | null;
  readonly error: FormError | null;
  /** The newest lines of output. */
  readonly lines: readonly OperationEvent[];
  /** The number of lines before those. */
  readonly olderLines: number;
  /** The id of the last line; the live page continues after it. */
  readonly lastLine: number;
  /** Null while the database cannot be reached. */
  readonly machines: OperationMachines | null;
  /** Of a launch: what the organiser gives to participants. */
  readonly share?: components['schemas']['Settings'] | null;
  /** For the form of a refused launch. */
  readonly form: LaunchFormModel;
};

export type OperationMachines = {
  readonly items: readonly {
    readonly machine: OperationVm;
    readonly vm: Vm | null;
    /** Who had a machine that is gone, where it is known. */
    readonly former?: { readonly email: string; readonly name: string } | null;
  }[];
  /** The number of machines in the lab. */
  readonly left: number;
  /** What the provider has found after a destroy of all machines: a sentence. */
  readonly proof: string;
};

const pages = {
  launch: { template: 'dashboard', form: '/admin/create', current: '/admin/create' },
  destroy: {
    template: 'delete-dashboard',
    form: '/admin/instances/delete',
    current: '/admin/instances',
  },
  release: { template: 'dashboard', form: '/admin/instances', current: '/admin/instances' },
  restart: { template: 'dashboard', form: '/admin/instances', current: '/admin/instances' },
} as const satisfies Record<Operation['kind'], unknown>;

/** The page `delete-dashboard` of a destroy, or `dashboard` of another operation. */
export function renderDashboard(model: DashboardModel): string {
  const { kind, operation, error, lines, olderLines, machines } = model;
  const { template, form } = pages[kind];
  const isMoving = mayChange(model);
  return render(template, {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: operationTitle(operation ?? { kind, hostnames: null }),
      area: 'admin',
      current: operation === null ? pages[kind].current : '/admin/operations',
      styles: ['operations.css'],
      modules: ['dashboard.js', 'launch.js'],
      isError: error !== null,
      ...(operation &&
        isMoving && { refresh: { seconds: REFRESH_SECONDS, href: operationPageHref(operation.id) } }),
    }),
    error: error && { message: error.message },
    form,
    launch: kind === 'launch' && operation === null ? launchFormView(model.form, error) : null,
    operation: operation && operationView(operation, model.viewer ?? null),
    isMoving,
    lines: lines.map(lineView),
    older: olderLines,
    stream: streamAddress(model),
    kind,
    machines: machines && operation && monitorView(machines, operation),
    share: model.share ? shareView(model.share) : null,
  });
}

/** A destroy of some machines keeps the others. */
function isOfSome({ kind, hostnames }: Operation): boolean {
  return kind === 'destroy' && hostnames !== null;
}

/** Whether the operation runs, or the machines of a launch are still starting. */
function mayChange({ operation, machines }: DashboardModel): boolean {
  if (operation === null) return false;
  const isStarting = (machines?.items ?? []).some(({ vm }) => vm?.status === 'initializing');
  return isActive(operation.status) || (operation.kind === 'launch' && isStarting);
}

/** One connection for everything on the page. */
function streamAddress({ operation, lastLine }: DashboardModel): string {
  if (operation === null || !isActive(operation.status)) return '/api/v1/vms/events';
  return `/api/v1/operations/${operation.id}/events?vms=true&after=${lastLine}-0`;
}

function monitorView({ items, left, proof }: OperationMachines, operation: Operation): View {
  const made = items.filter(({ machine }) => machine.state === 'created');
  const up = made.filter(({ vm }) => vm?.status === 'running').length;
  const asked = operation.num_vms ?? items.length;
  return {
    any: items.length > 0,
    isOfSome: isOfSome(operation),
    column: kindLabels[operation.kind],
    rows: items.map((item) => rowView(item, operation)),
    blankRow,
    up,
    upMax: asked,
    upSentence: readySentence(up, asked),
    anyMade: made.length > 0,
    left,
    leftSentence: leftSentence(left),
    proof: isOfSome(operation) ? 'Verified: these machines no longer exist.' : `Verified. ${proof}`,
    isProven: operation.kind === 'destroy' && operation.status === 'succeeded',
  };
}

function rowView(
  { machine, vm, former = null }: OperationMachines['items'][number],
  { kind, status }: Operation,
): View {
  const { hostname } = machine;
  // After it, a later machine of that name may have come.
  const isFormer = vm === null || machine.state === 'destroyed';
  const person = isFormer ? former : vm.assignment;
  return {
    hostname,
    // A machine that is gone has no page.
    page: vm === null ? null : vmPageHref(hostname),
    made: machineOutcome(kind, machine, !isActive(status)),
    status: vm?.status ?? null,
    reported: reportedLabel(vm),
    participant: person && { email: person.email, name: person.name ?? null },
    isUnassigned: !isFormer && person === null,
  };
}

/** The browser copies it for machines that come later. */
const blankRow: View = {
  hostname: '',
  page: null,
  made: { state: '', label: '', seconds: null, detail: null },
  status: null,
  reported: reportedLabel(null),
  participant: null,
  isUnassigned: false,
};
