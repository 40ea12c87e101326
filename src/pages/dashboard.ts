// An operation as it runs, and its machines: live where there is JavaScript, refreshing where not. The same page says why
// an operation was not begun, with the form again.
import type { components } from '../contract/openapi.gen.ts';
import { operationTitle } from './words/fleet.ts';
import type { FormError } from './index-page.ts';
import { launchFormView, type LaunchFormModel } from './launch-form.ts';
import type { FleetLine } from './fleet.ts';
import { layoutView } from './layout.ts';
import { leftSentence, machineOutcome, readySentence, reportedLabel } from './operation-labels.ts';
import { isActive, lineView, operationAddress, operationView } from './operation-view.ts';
import { render, type View } from './render.ts';
import { vmLogsHref } from './vm-href.ts';
import { words } from './words.ts';

type Operation = components['schemas']['Operation'];
type OperationEvent = components['schemas']['OperationEvent'];
type OperationVm = components['schemas']['OperationVm'];
type Vm = components['schemas']['Vm'];

export type DashboardModel = {
  /** End and cost in a sentence; null where nothing was launched, or it is not known. */
  readonly fleetLine?: FleetLine | null;
  readonly kind: Operation['kind'];
  /** Null where none was begun. */
  readonly operation: Operation | null;
  readonly error: FormError | null;
  /** The newest lines of its output. */
  readonly lines: readonly OperationEvent[];
  /** How many older ones there are. */
  readonly olderLines: number;
  /** The id of the last line; the live page goes on after it. */
  readonly lastLine: number;
  /** Null where they are not known (the database is away). */
  readonly machines: OperationMachines | null;
  /** What a launch that was refused is asked for again with. */
  readonly form: LaunchFormModel;
};

export type OperationMachines = {
  readonly items: readonly { readonly machine: OperationVm; readonly vm: Vm | null }[];
  /** How many machines there are in all. */
  readonly left: number;
  /** Who runs them. */
  readonly provider: components['schemas']['Provider'];
};

/** Between two loads of the page where there is no JavaScript. */
const REFRESH_SECONDS = 4;

const templates = { launch: 'dashboard', destroy: 'delete-dashboard' } as const satisfies Record<
  Operation['kind'],
  string
>;
const forms = { launch: '/admin/create', destroy: '/admin/instances/delete' } as const;

/** The page `dashboard` of a launch, or `delete-dashboard` of a destroy. */
export function renderDashboard(model: DashboardModel): string {
  const { kind, operation, error, lines, olderLines, machines } = model;
  return render(templates[kind], {
    ...layoutView({
      title: operation === null ? words.fleet.dashboard[kind] : operationTitle(operation),
      area: 'admin',
      current: operation !== null && isOfSome(operation) ? '/admin/instances' : forms[kind],
      styles: ['operations.css'],
      modules: ['dashboard.js', 'launch.js'],
      ...(error && { titlePrefix: words.errorPrefix }),
      ...(operation &&
        isMoving(model) && {
          refresh: { seconds: REFRESH_SECONDS, href: operationAddress(operation.id) },
        }),
    }),
    fleetLine: model.fleetLine ?? null,
    error: error && { message: error.message },
    form: forms[kind],
    launch: kind === 'launch' && operation === null ? launchFormView(model.form, error) : null,
    operation: operation && operationView(operation),
    isMoving: isMoving(model),
    lines: lines.map(lineView),
    hasLines: lines.length > 0,
    hasOlder: olderLines > 0,
    older: olderLines,
    stream: streamAddress(model),
    kind,
    machines: machines && operation && monitorView(machines, operation),
  });
}

/** A destroy of some machines: the others stay. */
function isOfSome({ kind, hostnames }: Operation): boolean {
  return kind === 'destroy' && hostnames !== null;
}

/** Whether something may still change by itself: it runs, or its machines come up. */
function isMoving({ operation, machines }: DashboardModel): boolean {
  if (operation === null) return false;
  if (isActive(operation)) return true;
  return (
    operation.kind === 'launch' && (machines?.items ?? []).some(({ vm }) => vm?.status === 'initializing')
  );
}

/** One connection for everything on the page. */
function streamAddress({ operation, lastLine }: DashboardModel): string {
  if (operation === null || !isActive(operation)) return '/api/v1/vms/events';
  return `/api/v1/operations/${operation.id}/events?vms=true&after=${lastLine}-0`;
}

function monitorView({ items, left, provider }: OperationMachines, operation: Operation): View {
  const made = items.filter(({ machine }) => machine.state === 'created').length;
  const up = items.filter(
    ({ machine, vm }) => machine.state === 'created' && vm?.status === 'running',
  ).length;
  const isProven = operation.kind === 'destroy' && operation.status === 'succeeded';
  return {
    any: items.length > 0,
    isOfSome: isOfSome(operation),
    makingLabel: operation.kind === 'launch' ? words.fleet.dashboard.making : words.fleet.dashboard.ending,
    rows: items.map((item) => rowView(item, operation.kind)),
    blankRow,
    up,
    upMax: Math.max(made, 1),
    upSentence: readySentence(up, made),
    anyMade: made > 0,
    left,
    leftSentence: leftSentence(left),
    proof: isOfSome(operation) ? words.fleet.dashboard.proofSome : words.fleet.dashboard.proof[provider],
    isProven,
  };
}

function rowView({ machine, vm }: OperationMachines['items'][number], kind: Operation['kind']): View {
  const { hostname } = machine;
  return {
    hostname,
    logs: vmLogsHref(hostname),
    made: machineOutcome(kind, machine),
    status: vm?.status ?? null,
    reported: reportedLabel(vm),
    email: vm?.assignment?.email ?? null,
  };
}

/** What the browser makes rows of machines from that come later. */
const blankRow: View = {
  hostname: '',
  logs: '',
  made: { state: '', label: '', seconds: null, detail: null },
  status: null,
  reported: reportedLabel(null),
  email: null,
};
