// What each chart shows, in a sentence. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { stateNames, stateOrder, totalOf } from './chart-labels.ts';
import { sayNumber } from './spans.ts';

type Schemas = components['schemas'];

/** `12 machines now: 3 free, 9 in use. At most there were 14.` */
export function stateSummary(items: readonly Schemas['StateSample'][]): string {
  const last = items.at(-1);
  const most = Math.max(0, ...items.map(totalOf));
  if (!last || most === 0) return 'There were no machines in this time.';
  const parts = stateOrder
    .filter((state) => last[state] > 0)
    .map((state) => `${last[state]} ${stateNames[state]}`);
  const total = totalOf(last);
  const now = total === 0 ? 'No machines now.' : `${machines(total)} now: ${parts.join(', ')}.`;
  return `${now} At most there were ${most}.`;
}

/** `12 assignments and 3 releases in the last 24 hours.` */
export function assignmentSummary(items: readonly Schemas['AssignmentChange'][], hours: number): string {
  const { assigned_total: assigned = 0, released_total: released = 0 } = items.at(-1) ?? {};
  const within = hours === 1 ? 'in the last hour' : `in the last ${hours} hours`;
  if (assigned + released === 0) return `No machine was assigned ${within}.`;
  return `${counted(assigned, 'assignment')} and ${counted(released, 'release')} ${within}.`;
}

/** `Of 12 machines, 10 have started; half of them within 94 s, the slowest (lablink-vm-prod-3) in 120 s.` */
export function timingSummary(items: Schemas['TimingHistory']['items']): string {
  const started = items
    .flatMap(({ hostname, timings }) =>
      timings.total_seconds === null ? [] : [{ hostname, seconds: timings.total_seconds }],
    )
    .sort((one, other) => one.seconds - other.seconds);
  if (items.length === 0) return 'There are no machines.';
  const middle = started[Math.floor((started.length - 1) / 2)];
  const slowest = started.at(-1);
  if (!middle || !slowest) return `None of ${machines(items.length)} has reported all of its timings yet.`;
  const half = started.length === 1 ? 'it took' : 'half of them took at most';
  const rest =
    started.length === 1 ? '' : `, the slowest (${slowest.hostname}) ${sayNumber(slowest.seconds)} s`;
  return `Of ${machines(items.length)}, ${started.length} ${started.length === 1 ? 'has' : 'have'} started; ${half} ${sayNumber(middle.seconds)} s${rest}.`;
}

function machines(count: number): string {
  return counted(count, 'machine');
}

function counted(count: number, what: string): string {
  return count === 1 ? `1 ${what}` : `${count} ${what}s`;
}
