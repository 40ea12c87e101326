// An operation as it runs, and the machines: live where there is JavaScript, refreshing where not. The same page says why
// an operation was not begun.
import type { components } from '../contract/openapi.gen.ts';
import type { FormError } from './index-page.ts';
import { layoutView } from './layout.ts';
import { isActive, lineView, operationAddress, operationView } from './operation-view.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { shownSentence } from './words/lab.ts';

type Operation = components['schemas']['Operation'];
type OperationEvent = components['schemas']['OperationEvent'];
type Vm = components['schemas']['Vm'];

export type DashboardModel = {
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
  readonly machines: { readonly vms: readonly Vm[]; readonly total: number } | null;
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
      title: words.fleet.dashboard[kind],
      area: 'admin',
      current: forms[kind],
      modules: ['dashboard.js'],
      ...(error && { titlePrefix: words.errorPrefix }),
      ...(operation &&
        isActive(operation) && {
          refresh: { seconds: REFRESH_SECONDS, href: operationAddress(operation.id) },
        }),
    }),
    error: error && { message: error.message },
    form: forms[kind],
    operation: operation && operationView(operation),
    lines: lines.map(lineView),
    hasLines: lines.length > 0,
    hasOlder: olderLines > 0,
    older: olderLines,
    stream: streamAddress(model),
    labels: JSON.stringify({
      operation: words.fleet.operationStatus,
      vm: words.vmStatus,
      yes: words.yes,
      no: words.no,
      notSaid: words.notSaid,
      nobody: words.instances.nobody,
      offline: words.fleet.dashboard.offline,
      logsOf: words.instances.logsOf,
    }),
    machines: machines && monitorView(machines),
  });
}

/** One connection for everything on the page. */
function streamAddress({ operation, lastLine }: DashboardModel): string {
  if (operation === null || !isActive(operation)) return '/api/v1/vms/events';
  return `/api/v1/operations/${operation.id}/events?vms=true&after=${lastLine}-0`;
}

function monitorView({ vms, total }: { readonly vms: readonly Vm[]; readonly total: number }): View {
  return {
    shown: shownSentence(vms.length, total),
    any: total > 0,
    rows: vms.map((vm) => ({
      hostname: vm.hostname,
      logs: `/admin/logs/${encodeURIComponent(vm.hostname)}`,
      status: vm.status,
      statusLabel: words.vmStatus[vm.status],
      email: vm.assignment?.email ?? null,
      inUse: vm.in_use === null ? words.notSaid : vm.in_use ? words.yes : words.no,
      gpu: vm.gpu_health ?? words.notSaid,
    })),
  };
}
