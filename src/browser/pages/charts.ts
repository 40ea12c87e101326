// Draws the charts and keeps them up to date: data from the server, drawn by uPlot, with the same numbers in the tables.
import uPlot from 'uplot';
import { readAnswer, type Schema, type SchemaName } from '../../contract/answer.ts';
import { changeLabels, stateCells, timingCells } from '../../pages/chart-labels.ts';
import { drawAssignments, drawStates, drawTimings, type Colours, type Drawing } from '../chart-drawings.ts';
import { showLegend } from '../chart-legend.ts';
import { pause, showConnection, untilVisible } from '../connection.ts';
import { dataOf, make, need, setText } from '../dom.ts';
import { localTime } from '../local-times.ts';
import { request } from '../request.ts';

const RELOAD_MS = 5_000;
const HEIGHT_PX = 260;

const root = need(HTMLElement, '[data-charts]');
const query = `?hours=${dataOf(root, 'hours')}`;
const colours: Colours = (name) => getComputedStyle(root).getPropertyValue(`--chart-${name}`).trim();

type Cell = string | number;
type Chart = { readonly draw: () => void; readonly load: () => Promise<void> };

const charts = [
  createChart({
    name: 'timings',
    schema: 'TimingHistory',
    address: '/api/v1/history/timings',
    describe: drawTimings,
    rows: ({ items }) => items.map(({ hostname, timings }) => [hostname, ...timingCells(timings)]),
  }),
  createChart({
    name: 'states',
    schema: 'StateHistory',
    address: `/api/v1/history/states${query}`,
    describe: drawStates,
    rows: ({ items }) => items.map((item) => [localTime(item.at), ...stateCells(item)]),
  }),
  createChart({
    name: 'assignments',
    schema: 'AssignmentHistory',
    address: `/api/v1/history/assignments${query}`,
    describe: drawAssignments,
    rows: ({ items }) =>
      items.map(({ at, kind, hostname, assigned_total: assigned, released_total: released }) => [
        localTime(at),
        changeLabels[kind],
        hostname,
        assigned,
        released,
      ]),
  }),
];
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const chart of charts) chart.draw();
});
void keepUpToDate();

async function keepUpToDate(): Promise<never> {
  for (;;) {
    await untilVisible();
    try {
      await Promise.all(charts.map((chart) => chart.load()));
      showConnection(true);
    } catch {
      showConnection(false);
    }
    await pause(RELOAD_MS);
  }
}

type ChartParts<Name extends SchemaName> = {
  readonly name: string;
  readonly schema: Name;
  readonly address: string;
  readonly describe: (history: Schema<Name>, colours: Colours) => Drawing | null;
  readonly rows: (history: Schema<Name>) => readonly (readonly Cell[])[];
};

function createChart<Name extends 'TimingHistory' | 'StateHistory' | 'AssignmentHistory'>({
  name,
  schema,
  address,
  describe,
  rows,
}: ChartParts<Name>): Chart {
  const figure = need(HTMLElement, `[data-chart="${name}"]`, root);
  const canvas = need(HTMLElement, '[data-plot]', figure);
  let text = '';
  let items = '';
  let history: Schema<Name> | null = null;
  let plot: uPlot | null = null;

  function draw(): void {
    if (history === null) return;
    plot?.destroy();
    canvas.replaceChildren();
    const drawing = describe(history, colours);
    plot = drawing && new uPlot({ ...frame(), ...drawing.options }, drawing.data, canvas);
    canvas.dataset['empty'] = drawing ? '' : dataOf(root, 'nothing');
    showLegend(figure, drawing?.legend ?? []);
  }

  function frame() {
    return {
      width: canvas.clientWidth,
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { show: false } },
    };
  }

  async function load(): Promise<void> {
    const response = await request(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    const received = await response.text();
    if (received === text) return;
    text = received;
    history = readAnswer(schema, received);
    // Where only the clock has moved on, the chart is drawn again, and the rest stays.
    if (JSON.stringify(history.items) !== items) {
      items = JSON.stringify(history.items);
      setText(need(HTMLElement, '[data-summary]', figure), history.summary);
      need(HTMLElement, '[data-rows]', figure).replaceChildren(...rows(history).map(makeRow));
    }
    draw();
  }

  new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height: HEIGHT_PX })).observe(canvas);
  return { draw, load };
}

function makeRow([first = '', ...rest]: readonly Cell[]): HTMLTableRowElement {
  const row = make('tr');
  row.append(make('th', String(first), { scope: 'row' }), ...rest.map((cell) => make('td', String(cell))));
  return row;
}
