// Draws the pictures and keeps them up to date: data from the server, drawn by uPlot, with the same numbers in the tables.
// Every colour comes with a pattern or a kind of line of its own.
import { pause, showConnection, untilVisible } from './connection.js';
import { sayLegend, showLegend } from './chart-legend.js';
import { paintPattern } from './chart-patterns.js';
import { assignmentRows, stateRows, timingRows, toRow } from './chart-tables.js';
import { say, sayNumber } from './spans.js';
import { localTime } from './times.js';

/* global uPlot */
const RELOAD_MS = 5_000;
const HEIGHT_PX = 260;
const LABELLED_MACHINES_MAX = 24;
const DAY_S = 86_400;
/** Machines are counted whole, and so are seconds. */
const INCREMENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
/** So much of the picture is left free before what happened first. */
const MARGIN = 0.05;
const SHORTEST_S = 60;
const language = document.documentElement.lang;

const root = document.querySelector('[data-charts]');
const labels = JSON.parse(root.dataset.labels);
const query = `?hours=${root.dataset.hours}`;

const charts = [
  createChart('timings', '/api/v1/history/timings', drawTimings, timingRows),
  createChart('states', `/api/v1/history/states${query}`, drawStates, stateRows),
  createChart('assignments', `/api/v1/history/assignments${query}`, drawAssignments, assignmentRows),
];
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
  charts.forEach((chart) => chart.draw()),
);
void keepUpToDate();

async function keepUpToDate() {
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

function createChart(name, address, describe, tableRows) {
  const figure = root.querySelector(`[data-chart="${name}"]`);
  const place = figure.querySelector('[data-plot]');
  let text = '';
  let data = null;
  let plot = null;

  function draw() {
    if (data === null) return;
    plot?.destroy();
    place.replaceChildren();
    const drawing = describe(data, figure);
    plot = drawing === null ? null : new uPlot({ ...frame(place), ...drawing.options }, drawing.data, place);
    place.dataset.empty = drawing === null ? labels.empty : '';
    showLegend(figure, drawing?.legend ?? []);
  }

  async function load() {
    const response = await fetch(address, { headers: { Accept: 'application/json' }, cache: 'no-store' });
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    const now = await response.text();
    const was = data;
    data = JSON.parse(now);
    // Of what only the clock has moved, the picture is drawn anew and the rest stays.
    if (was === null || JSON.stringify(was.items) !== JSON.stringify(data.items)) {
      const summary = figure.querySelector('[data-summary]');
      if (summary.textContent !== data.summary) summary.textContent = data.summary;
      figure.querySelector('[data-rows]').replaceChildren(...tableRows(data, labels).map(toRow));
    }
    if (text !== now) draw();
    text = now;
  }

  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT_PX })).observe(place);
  return { draw, load };
}

function frame(place) {
  return {
    width: place.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false } },
  };
}

function colour(name) {
  return getComputedStyle(root).getPropertyValue(`--chart-${name}`).trim();
}

function axes(xValues, more = {}) {
  const stroke = colour('text');
  const grid = { stroke: colour('grid'), width: 1 };
  const common = { stroke, grid, ticks: grid, font: '12px system-ui, sans-serif' };
  return [
    { ...common, values: xValues, ...more },
    { ...common, incrs: INCREMENTS, size: 56 },
  ];
}

/** One bar for each machine, of its phases on top of each other. */
function drawTimings({ items }) {
  const phases = [
    ['provisioning', 'provisioning_seconds', 'solid'],
    ['cloudInit', 'cloud_init_seconds', 'diagonal'],
    ['container', 'container_seconds', 'dots'],
  ];
  const known = items.filter(({ timings }) => phases.some(([, key]) => timings[key] !== null));
  if (known.length === 0) return null;
  const sums = known.map(() => 0);
  const layers = phases.map(([name, key, pattern]) => ({
    name: labels.timings[name],
    fill: paintPattern(pattern, colour(name), colour('surface')),
    stroke: colour(name),
    raw: known.map(({ timings }) => timings[key]),
    values: known.map(({ timings }, index) => (sums[index] += timings[key] ?? 0)),
  }));
  const every = Math.ceil(known.length / LABELLED_MACHINES_MAX);
  const shown = known.map((_, index) => index).filter((index) => index % every === 0);
  const names = shortNames(known.map(({ hostname }) => hostname));
  return stacked(
    layers,
    known.map((_, index) => index),
    {
      legendOf: (index) => (index === null ? '' : known[index].hostname),
      say: (value) => (value === null ? labels.timings.unknown : say(sayNumber(value), 's')),
      paths: uPlot.paths.bars({ size: [0.7, 48] }),
      options: {
        scales: {
          x: { time: false, range: [-0.6, known.length - 0.4] },
          y: { range: (_, __, max) => [0, max * 1.05 || 1] },
        },
        axes: axes((_, splits) => splits.map((split) => names[split] ?? ''), {
          splits: () => shown,
          rotate: names.some((name) => name.length > 4) ? -45 : 0,
          size: names.some((name) => name.length > 4) ? 78 : 40,
        }),
      },
    },
  );
}

/** What differs: of `lablink-vm-prod-1` and `lablink-vm-prod-12`, `1` and `12`. */
function shortNames(names) {
  const [first = ''] = names;
  const common = first.split('-').slice(0, -1);
  while (common.length > 0 && !names.every((name) => name.startsWith(`${common.join('-')}-`))) common.pop();
  return names.map((name) => name.slice(common.length === 0 ? 0 : common.join('-').length + 1).slice(-12));
}

function drawStates({ items, from, to }) {
  const states = Object.keys(labels.stateNames);
  const patterns = ['solid', 'diagonal', 'dots', 'horizontal', 'back', 'grid', 'vertical'];
  const sums = items.map(() => 0);
  const layers = states.map((state, at) => ({
    name: labels.stateNames[state],
    fill: paintPattern(patterns[at], colour(state), colour('surface')),
    stroke: colour(state),
    raw: items.map((item) => item[state]),
    values: items.map((item, index) => (sums[index] += item[state])),
  }));
  if (Math.max(0, ...sums) === 0) return null;
  const used = layers.filter(({ raw }) => raw.some((count) => count > 0));
  return stacked(
    used,
    items.map(({ at }) => seconds(at)),
    {
      legendOf: (index) => (index === null ? '' : localTime(items[index].at)),
      say: String,
      paths: uPlot.paths.stepped({ align: 1 }),
      options: timed(from, to, items[0].at),
    },
  );
}

/** Layers are sums; the highest is painted first, and the lower ones over it. */
function stacked(layers, xs, { legendOf, say, paths, options }) {
  const upwards = layers.toReversed();
  return {
    data: [xs, ...upwards.map(({ values }) => values)],
    options: {
      ...options,
      series: [
        {},
        ...upwards.map(({ fill, stroke }) => ({ fill, stroke, width: 1, paths, points: { show: false } })),
      ],
      hooks: { setCursor: [(plot) => sayLegend(plot, layers, legendOf, say)] },
    },
    legend: layers,
  };
}

function drawAssignments({ items, from, to }) {
  if (items.length === 0) return null;
  const first = {
    at: from,
    assigned_total: items[0].assigned_total - (items[0].kind === 'assigned' ? 1 : 0),
    released_total: items[0].released_total - (items[0].kind === 'released' ? 1 : 0),
  };
  const all = [first, ...items, { ...items.at(-1), at: to }];
  const layers = [
    { name: labels.assignments.assigned, key: 'assigned_total', dash: [], line: 'line' },
    { name: labels.assignments.released, key: 'released_total', dash: [8, 5], line: 'dashed' },
  ].map((layer) => ({ ...layer, stroke: colour(layer.key), raw: all.map((item) => item[layer.key]) }));
  return {
    data: [all.map(({ at }) => seconds(at)), ...layers.map(({ raw }) => raw)],
    options: {
      ...timed(from, to, items[0].at),
      series: [
        {},
        ...layers.map(({ stroke, dash }) => ({
          stroke,
          dash,
          width: 2.5,
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
        })),
      ],
      hooks: {
        setCursor: [
          (plot) =>
            sayLegend(plot, layers, (index) => (index === null ? '' : localTime(all[index].at)), String),
        ],
      },
    },
    legend: layers,
  };
}

/** From where something happened, where that is later than the window's beginning. */
function timed(from, to, firstAt) {
  const end = seconds(to);
  const span = Math.max(end - seconds(firstAt), SHORTEST_S);
  const start = Math.max(seconds(from), end - span * (1 + MARGIN));
  const format = new Intl.DateTimeFormat(
    language,
    end - start > 2 * DAY_S ? { weekday: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' },
  );
  return {
    scales: {
      x: { time: true, range: [start, end] },
      y: { range: (_, __, max) => [0, Math.max(1, max * 1.05)] },
    },
    axes: axes((_, splits) => splits.map((split) => format.format(split * 1000))),
  };
}

function seconds(timestamp) {
  return Date.parse(timestamp) / 1000;
}
