// History: start-up times, VMs by state and assignments over time.
import type { HandlersOf } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { viewerOf } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import {
  countStates,
  readAssignmentChanges,
  readStateSamples,
  type AssignmentChange,
  type StateSample,
} from '../db/history.ts';
import { listVms } from '../db/vms.ts';
import { assignmentSummary, renderCharts, stateSummary, timingSummary } from '../pages/charts.ts';
import { byHostname } from '../vms/hostnames.ts';
import { json, page } from './replies.ts';
import { vmView, type Clock } from './views.ts';

export type HistoryDependencies = {
  readonly db: Db;
  readonly now: Clock;
  readonly codeLifetimeMs: number;
  readonly site?: string;
};

const HOURS_DEFAULT = 24;
const HOUR_MS = 3_600_000;
/** The maximum in openapi.yaml. */
const ITEMS_MAX = 1_000;
/** The page has fewer, so that its tables stay readable. */
const PAGE_ITEMS_MAX = 200;

type Schemas = components['schemas'];

export function createHistoryHandlers(dependencies: HistoryDependencies): HandlersOf<'history'> {
  return {
    chartsPage: async ({ query: { hours = HOURS_DEFAULT }, caller }) => {
      return page(
        renderCharts({
          site: dependencies.site,
          viewer: viewerOf(caller),
          hours,
          timings: await timings(dependencies),
          states: await states(dependencies, hours, PAGE_ITEMS_MAX),
          assignments: await assignments(dependencies, hours, PAGE_ITEMS_MAX),
        }),
      );
    },
    getStateHistory: async ({ query: { hours = HOURS_DEFAULT } }) =>
      json(await states(dependencies, hours, ITEMS_MAX)),
    getAssignmentHistory: async ({ query: { hours = HOURS_DEFAULT } }) =>
      json(await assignments(dependencies, hours, ITEMS_MAX)),
    getTimingHistory: async () => json(await timings(dependencies)),
  };
}

function windowOf(now: Date, hours: number): { readonly from: Date; readonly to: Date } {
  return { from: new Date(now.getTime() - hours * HOUR_MS), to: now };
}

async function states(
  { db, now }: HistoryDependencies,
  hours: number,
  limit: number,
): Promise<Schemas['StateHistory']> {
  const { from, to } = windowOf(now(), hours);
  // One item is the present state.
  const samples = await readStateSamples(db, from, limit - 1);
  const present = { ...(await countStates(db)), at: to };
  const items = [...samples, present].map(sampleView);
  return { from: from.toISOString(), to: to.toISOString(), items, summary: stateSummary(items) };
}

function sampleView({ at, ...counts }: StateSample): Schemas['StateSample'] {
  return { at: at.toISOString(), ...counts };
}

async function assignments(
  { db, now }: HistoryDependencies,
  hours: number,
  limit: number,
): Promise<Schemas['AssignmentHistory']> {
  const { from, to } = windowOf(now(), hours);
  const items = (await readAssignmentChanges(db, from, limit)).map(changeView);
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    items,
    summary: assignmentSummary(items, hours),
  };
}

function changeView({ at, ...change }: AssignmentChange): Schemas['AssignmentChange'] {
  const { hostname, kind, assigned, released } = change;
  return { at: at.toISOString(), hostname, kind, assigned_total: assigned, released_total: released };
}

async function timings({ db, now, codeLifetimeMs }: HistoryDependencies): Promise<Schemas['TimingHistory']> {
  const { vms } = await listVms(db, {}, { limit: ITEMS_MAX });
  const context = { now: now(), codeLifetimeMs };
  const items = vms
    .map((record) => {
      const { hostname, timings: known } = vmView(record, context);
      return { hostname, timings: known };
    })
    .toSorted(byHostname);
  return { items, summary: timingSummary(items) };
}
