// What each chart draws, for uPlot: solid tints with a line of the surface between them.
import uPlot from 'uplot';
import type { Schema } from '../contract/answer.ts';
import { changeLabels, saySeconds, startupPhases, stateNames, stateOrder } from '../pages/chart-labels.ts';
import { say, sayNumber } from '../pages/spans.ts';
import { showValues, type Layer, type Wording } from './chart-legend.ts';
import { localTime } from './local-times.ts';

export type Drawing = {
  readonly options: Partial<uPlot.Options> & Pick<uPlot.Options, 'series'>;
  readonly data: uPlot.AlignedData;
  readonly legend: readonly Layer[];
};

/** The value of the CSS variable `--chart-<name>`. */
export type Colours = (name: string) => string;

const LABELLED_MACHINES_MAX = 24;
const MINUTE_S = 60;
const DAY_S = 86_400;
/** Machines and seconds are counted whole. */
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/** This part of the chart stays free before the first change. */
const MARGIN = 0.05;
const SHORTEST_S = 60;
const LONG_LABEL = 4;
const language = document.documentElement.lang;

/** One bar for each machine, with its phases on top of each other. Null where nothing is known. */
export function drawTimings({ items }: Schema<'TimingHistory'>, colours: Colours): Drawing | null {
  const known = items.filter(({ timings }) => startupPhases.some(({ key }) => timings[key] !== null));
  if (known.length === 0) return null;
  const layers = startupPhases.map(({ key, label }) => {
    const name = key.replace('_seconds', '');
    return filledLayer(
      label,
      name,
      known.map(({ timings }) => timings[key]),
      colours,
    );
  });
  const every = Math.ceil(known.length / LABELLED_MACHINES_MAX);
  const shown = known.map((_, index) => index).filter((index) => index % every === 0);
  const names = shortNames(known.map(({ hostname }) => hostname));
  const isLong = names.some((name) => name.length > LONG_LABEL);
  return stacked(
    layers,
    known.map((_, index) => index),
    uPlot.paths.bars?.({ size: [0.7, 48] }),
    {
      wording: {
        at: (index) => known[index]?.hostname ?? '',
        value: (value) => (value === null ? saySeconds(null) : say(sayNumber(value), 's')),
      },
      options: {
        scales: {
          x: { time: false, range: [-0.6, known.length - 0.4] },
          y: { range: (_plot, _min, max) => [0, max * 1.05 || 1] },
        },
        axes: axes(colours, (splits) => splits.map((split) => names[split] ?? ''), {
          splits: () => shown,
          rotate: isLong ? -45 : 0,
          size: isLong ? 78 : 40,
          unit: 'Seconds',
        }),
      },
    },
  );
}

/** What differs: of `lablink-vm-prod-1` and `lablink-vm-prod-12`, `1` and `12`. */
function shortNames(names: readonly string[]): string[] {
  const [first = ''] = names;
  const common = first.split('-').slice(0, -1);
  while (common.length > 0 && !names.every((name) => name.startsWith(`${common.join('-')}-`))) common.pop();
  return names.map((name) => name.slice(common.length === 0 ? 0 : common.join('-').length + 1).slice(-12));
}

/** Machines by state over time. Null where there were none. */
export function drawStates(history: Schema<'StateHistory'>, colours: Colours): Drawing | null {
  const { items } = history;
  const layers = stateOrder
    .map((state) =>
      filledLayer(
        stateNames[state],
        state,
        items.map((item) => item[state]),
        colours,
      ),
    )
    .filter(({ values }) => values.some((count) => count !== null && count > 0));
  const [first] = items;
  if (!first || layers.length === 0) return null;
  return stacked(
    layers,
    items.map(({ at }) => secondsOf(at)),
    uPlot.paths.stepped?.({ align: 1 }),
    {
      wording: { at: (index) => localTime(items[index]?.at ?? first.at), value: String },
      options: timed(history, first.at, { colours, unit: 'Machines' }),
    },
  );
}

/** How many machines were assigned and released. Null where none was. */
export function drawAssignments(history: Schema<'AssignmentHistory'>, colours: Colours): Drawing | null {
  const { items, from, to } = history;
  const [first, last] = [items[0], items.at(-1)];
  if (!first || !last) return null;
  const before = {
    at: from,
    assigned_total: first.assigned_total - Number(first.kind === 'assigned'),
    released_total: first.released_total - Number(first.kind === 'released'),
  };
  const all = [before, ...items, { ...last, at: to }];
  const layers = (['assigned', 'released'] as const).map((key): Layer => ({
    name: changeLabels[key],
    stroke: colours(key),
    fill: null,
    isDashed: key === 'released',
    values: all.map((item) => item[`${key}_total`]),
  }));
  const paths = uPlot.paths.stepped?.({ align: 1 });
  return {
    data: [all.map(({ at }) => secondsOf(at)), ...layers.map(({ values }) => [...values])],
    options: {
      ...timed(history, first.at, { colours, unit: 'Events' }),
      series: [
        {},
        ...layers.map(({ stroke, isDashed }) => ({
          stroke,
          dash: isDashed ? [8, 5] : [],
          width: 2.5,
          points: { show: false },
          ...(paths && { paths }),
        })),
      ],
      hooks: pointerHook(layers, { at: (index) => localTime(all[index]?.at ?? to), value: String }),
    },
    legend: layers,
  };
}

function filledLayer(
  name: string,
  colour: string,
  values: readonly (number | null)[],
  colours: Colours,
): Layer {
  return { name, stroke: colours('surface'), fill: colours(colour), isDashed: false, values };
}

type Stack = { readonly wording: Wording; readonly options: Partial<uPlot.Options> };

/** Each layer is the sum of those below; the highest is painted first, and the lower ones over it. */
function stacked(
  layers: readonly Layer[],
  xs: readonly number[],
  paths: uPlot.Series.PathBuilder | undefined,
  { wording, options }: Stack,
): Drawing {
  const sums = xs.map(() => 0);
  const tops = layers.map(({ values }) =>
    values.map((value, index) => (sums[index] = (sums[index] ?? 0) + (value ?? 0))),
  );
  const series = layers.map(({ fill, stroke }): uPlot.Series => ({
    ...(fill !== null && { fill }),
    stroke,
    width: 1,
    points: { show: false },
    ...(paths && { paths }),
  }));
  return {
    data: [[...xs], ...tops.toReversed()],
    options: { ...options, series: [{}, ...series.toReversed()], hooks: pointerHook(layers, wording) },
    legend: layers,
  };
}

function pointerHook(layers: readonly Layer[], wording: Wording): uPlot.Hooks.Arrays {
  return { setCursor: [(plot) => showValues(plot, layers, wording)] };
}

/** From the first change, where that is later than the beginning of the window. */
function timed(
  { from, to }: Schema<'HistoryWindow'>,
  firstAt: string,
  { colours, unit }: { readonly colours: Colours; readonly unit: string },
): Partial<uPlot.Options> {
  const end = secondsOf(to);
  const span = Math.max(end - secondsOf(firstAt), SHORTEST_S);
  const start = Math.max(secondsOf(from), end - span * (1 + MARGIN));
  const days = { weekday: 'short', day: 'numeric' } as const;
  const minutes = { hour: '2-digit', minute: '2-digit' } as const;
  const format = ([first = 0, second = first + MINUTE_S]: readonly number[]): Intl.DateTimeFormat => {
    if (end - start > 2 * DAY_S) return new Intl.DateTimeFormat(language, days);
    const isFine = second - first < MINUTE_S;
    return new Intl.DateTimeFormat(language, isFine ? { ...minutes, second: '2-digit' } : minutes);
  };
  return {
    scales: {
      x: { time: true, range: [start, end] },
      y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.05)] },
    },
    axes: axes(colours, (splits) => splits.map((split) => format(splits).format(split * 1_000)), { unit }),
  };
}

function axes(
  colours: Colours,
  xValues: (splits: readonly number[]) => string[],
  { unit, ...more }: Partial<uPlot.Axis> & { readonly unit: string },
): uPlot.Axis[] {
  const stroke = colours('text');
  const grid = { stroke: colours('grid'), width: 1 };
  const common = { stroke, grid, ticks: grid, font: '12px system-ui, sans-serif' };
  return [
    { ...common, values: (_plot, splits) => xValues(splits), ...more },
    { ...common, incrs: INCREMENTS, size: 48, label: unit, labelSize: 20, labelFont: common.font },
  ];
}

function secondsOf(timestamp: string): number {
  return Date.parse(timestamp) / 1_000;
}
