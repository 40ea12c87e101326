// The charts page: each chart is drawn by the browser, and is there as a sentence and a table too.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import {
  changeLabels,
  startupPhases,
  stateCells,
  stateNames,
  stateOrder,
  timingCells,
  totalOf,
} from './chart-labels.ts';
import { counted, momentView } from './format.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { sayNumber } from './spans.ts';

type Schemas = components['schemas'];
type StateSample = Schemas['StateSample'];

export type ChartsModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly hours: number;
  readonly timings: Schemas['TimingHistory'];
  readonly states: Schemas['StateHistory'];
  readonly assignments: Schemas['AssignmentHistory'];
};

const windows = { 1: 'Last hour', 6: '6 hours', 24: '24 hours', 168: '7 days' } as const;

export function renderCharts({ site, viewer, hours, timings, states, assignments }: ChartsModel): string {
  return render('charts', {
    ...layoutView({
      site,
      viewer,
      title: 'Charts',
      area: 'admin',
      current: '/admin/charts',
      styles: ['charts.css'],
      modules: ['charts.js'],
    }),
    windows: Object.entries(windows).map(([window, label]) => ({
      href: `/admin/charts?hours=${window}`,
      label,
      current: Number(window) === hours,
    })),
    hours,
    states: stateOrder.map((state) => stateNames[state]),
    phases: startupPhases.map(({ label }) => label),
    changes: changeLabels,
    timings: {
      summary: timings.summary,
      rows: timings.items.map((item) => ({ hostname: item.hostname, cells: timingCells(item.timings) })),
    },
    stateHistory: {
      summary: states.summary,
      rows: states.items.map((sample) => ({ ...momentView(sample.at), cells: stateCells(sample) })),
    },
    assignments: { summary: assignments.summary, rows: assignments.items.map(assignmentRow) },
  });
}

function assignmentRow(change: Schemas['AssignmentChange']): View {
  const { at, hostname, kind, assigned_total: assigned, released_total: released } = change;
  return { ...momentView(at), hostname, what: changeLabels[kind], assigned, released };
}

/** `12 machines now: 3 free, 9 in use. Maximum: 14.` */
export function stateSummary(items: readonly StateSample[]): string {
  const last = items.at(-1);
  const most = Math.max(0, ...items.map(totalOf));
  if (!last || most === 0) return 'There were no machines in this period.';
  const parts = stateOrder
    .filter((state) => last[state] > 0)
    .map((state) => `${last[state]} ${stateNames[state].toLowerCase()}`);
  const total = totalOf(last);
  const now = total === 0 ? 'No machines now.' : `${counted(total, 'machine')} now: ${parts.join(', ')}.`;
  return `${now} Maximum: ${most}.`;
}

/** `12 assignments and 3 releases in the last 24 hours.` */
export function assignmentSummary(items: readonly Schemas['AssignmentChange'][], hours: number): string {
  const { assigned_total: assigned = 0, released_total: released = 0 } = items.at(-1) ?? {};
  const within = hours === 1 ? 'in the last hour' : `in the last ${hours} hours`;
  if (assigned + released === 0) return `No assignments ${within}.`;
  return `${counted(assigned, 'assignment')} and ${counted(released, 'release')} ${within}.`;
}

/** `10 of 12 machines reported all timings; half of them took at most 94 s, the slowest (vm-3) 120 s.` */
export function timingSummary(items: Schemas['TimingHistory']['items']): string {
  if (items.length === 0) return 'There are no machines.';
  const started = items
    .flatMap(({ hostname, timings: { total_seconds: seconds } }) =>
      seconds === null ? [] : [{ hostname, seconds }],
    )
    .toSorted((one, other) => one.seconds - other.seconds);
  const middle = started[Math.floor((started.length - 1) / 2)];
  const slowest = started.at(-1);
  const known = `${started.length} of ${counted(items.length, 'machine')} reported all timings`;
  if (!middle || !slowest) return `${known}.`;
  if (started.length === 1) return `${known}; it took ${sayNumber(middle.seconds)} s.`;
  return `${known}; half of them took at most ${sayNumber(middle.seconds)} s, the slowest (${slowest.hostname}) ${sayNumber(slowest.seconds)} s.`;
}
