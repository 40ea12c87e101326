// Pictures of how the lab came to be: drawn by a module, with the same numbers as tables and sentences.
import type { components } from '../contract/openapi.gen.ts';
import { stateNames, stateOrder, totalOf } from './words/chart-sentences.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { sayNumber } from './spans.ts';
import { utcText } from './times.ts';
import { words } from './words.ts';

type Schemas = components['schemas'];

export type ChartsModel = {
  readonly hours: number;
  readonly timings: Schemas['TimingHistory'];
  readonly states: Schemas['StateHistory'];
  readonly assignments: Schemas['AssignmentHistory'];
};

export function renderCharts(model: ChartsModel): string {
  return render('charts', {
    ...layoutView({
      title: words.charts.title,
      area: 'admin',
      current: '/admin/charts',
      styles: ['uplot.css', 'charts.css'],
      scripts: ['uplot.js'],
      modules: ['charts.js'],
    }),
    windows: Object.entries(words.charts.hours).map(([hours, label]) => ({
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
    states: stateOrder.map((state) => ({ state, label: stateNames[state] })),
    labels: JSON.stringify({ ...words.charts, stateNames }),
    timings: {
      summary: timings.summary,
      rows: timings.items.map(timingRow),
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

function timingRow({ hostname, timings }: Schemas['TimingHistory']['items'][number]): View {
  const say = (seconds: number | null): string =>
    seconds === null ? words.charts.timings.unknown : sayNumber(seconds);
  return {
    hostname,
    cells: [
      timings.provisioning_seconds,
      timings.cloud_init_seconds,
      timings.container_seconds,
      timings.total_seconds,
    ].map(say),
  };
}

function stateRow(sample: Schemas['StateSample']): View {
  return {
    timestamp: sample.at,
    at: utcText(sample.at),
    cells: [...stateOrder.map((state) => sample[state]), totalOf(sample)],
  };
}

function assignmentRow(change: Schemas['AssignmentChange']): View {
  return {
    timestamp: change.at,
    at: utcText(change.at),
    hostname: change.hostname,
    what: words.charts.assignments[change.kind],
    assigned: change.assigned_total,
    released: change.released_total,
  };
}
