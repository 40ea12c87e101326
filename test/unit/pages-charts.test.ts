import { describe, expect, test } from 'vitest';
import { assignmentSummary, renderCharts, stateSummary, timingSummary } from '../../src/pages/charts.ts';
import { readPeople, suggestMachines } from '../../src/vms/launch-size.ts';
import { HOSTILE, textOf } from '../support/page-models.ts';

const none = { free: 0, assigned: 0, in_use: 0, initializing: 0, recycling: 0, failed: 0, destroying: 0 };
const at = '2026-01-01T11:00:00.000Z';
const timings = (total: number | null) => ({
  provisioning_seconds: 1.25,
  cloud_init_seconds: total === null ? null : total - 2.25,
  container_seconds: 1,
  total_seconds: total,
});

describe('the summaries of the charts', () => {
  test('the summary of states names the present counts and the maximum', () => {
    const items = [
      { at, ...none, free: 14 },
      { at, ...none, free: 3, in_use: 9 },
    ];
    expect(stateSummary(items)).toBe('12 machines now: 3 free, 9 in use. Maximum: 14.');
    expect(
      stateSummary([
        { at, ...none, free: 1 },
        { at, ...none },
      ]),
    ).toBe('No machines now. Maximum: 1.');
    expect(stateSummary([{ at, ...none }])).toBe('There were no machines in this period.');
  });

  test('the summary of assignments counts assignments and releases', () => {
    const change = { at, hostname: 'vm-1', kind: 'assigned', assigned_total: 2, released_total: 1 } as const;
    expect(assignmentSummary([change], 24)).toBe('2 assignments and 1 release in the last 24 hours.');
    expect(assignmentSummary([], 1)).toBe('No assignments in the last hour.');
  });

  test('the summary of timings names the middle and the slowest machine', () => {
    const items = [
      { hostname: 'vm-1', timings: timings(94) },
      { hostname: 'vm-2', timings: timings(120.4) },
      { hostname: 'vm-3', timings: timings(null) },
    ];
    expect(timingSummary(items)).toBe(
      '2 of 3 machines reported all timings; half of them took at most 94 s, the slowest (vm-2) 120 s.',
    );
    expect(timingSummary(items.slice(0, 1))).toBe('1 of 1 machine reported all timings; it took 94 s.');
    expect(timingSummary(items.slice(2))).toBe('0 of 1 machine reported all timings.');
    expect(timingSummary([])).toBe('There are no machines.');
  });
});

test('the charts page has every number as text too, and escapes all names', () => {
  const history = { from: at, to: at, summary: HOSTILE };
  const html = renderCharts({
    hours: 6,
    timings: { summary: HOSTILE, items: [{ hostname: HOSTILE, timings: timings(94) }] },
    states: { ...history, items: [{ at, ...none, free: 7, failed: 2 }] },
    assignments: {
      ...history,
      items: [{ at, hostname: HOSTILE, kind: 'released', assigned_total: 5, released_total: 4 }],
    },
  });
  expect(html).not.toContain('<script>alert');
  const text = textOf(html);
  expect(text).toContain('1.3 92 1 94');
  expect(text).toContain('2026-01-01 11:00 UTC 7 0 0 0 0 2 0 9');
  expect(text).toContain('2026-01-01 11:00 UTC Released');
  expect(html).toContain('href="/admin/charts?hours=6" aria-current="page">6 hours');
});

test('one spare machine is suggested per ten participants', () => {
  expect([1, 10, 11, 40].map(suggestMachines)).toEqual([2, 11, 13, 44]);
  expect([' 40 ', '1', '10000'].map(readPeople)).toEqual([40, 1, 10_000]);
  expect(['', '0', '-1', '4.5', '1e2', 'forty', '10001', '123456'].map(readPeople)).toEqual(
    Array(8).fill(null),
  );
});
