// Charts of start-up times, states and assignments: drawn in the browser, with the same numbers as tables and sentences.
import type { components } from '../contract/openapi.gen.ts';
import {
  changeLabels,
  startupPhases,
  stateCells,
  stateNames,
  stateOrder,
  timingCells,
} from './chart-labels.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { utcText } from './times.ts';

type Schemas = components['schemas'];

export type ChartsModel = {
  readonly hours: number;
  readonly timings: Schemas['TimingHistory'];
  readonly states: Schemas['StateHistory'];
  readonly assignments: Schemas['AssignmentHistory'];
};

const windows = { '1': 'The last hour', '6': '6 hours', '24': '24 hours', '168': 'A week' } as const;

export function renderCharts(model: ChartsModel): string {
  return render('charts', {
    ...layoutView({
      title: 'Charts',
      area: 'admin',
      current: '/admin/charts',
      styles: ['charts.css'],
      modules: ['charts.js'],
    }),
    windows: Object.entries(windows).map(([hours, label]) => ({
      href: `/admin/charts?hours=${hours}`,
      label,
      current: Number(hours) === model.hours,
    })),
    charts: chartsView(model),
  });
}

/** What the partial `charts` reads; its pages need the styles and scripts of `renderCharts` too. */
export function chartsView({ hours, timings, states, assignments }: ChartsModel): View {
  return {
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
      rows: states.items.map(stateRow),
    },
    assignments: {
      summary: assignments.summary,
      rows: assignments.items.map(assignmentRow),
    },
  };
}

function stateRow(sample: Schemas['StateSample']): View {
  return {
    timestamp: sample.at,
    at: utcText(sample.at),
    cells: stateCells(sample),
  };
}

function assignmentRow(change: Schemas['AssignmentChange']): View {
  return {
    timestamp: change.at,
    at: utcText(change.at),
    hostname: change.hostname,
    what: changeLabels[change.kind],
    assigned: change.assigned_total,
    released: change.released_total,
  };
}
