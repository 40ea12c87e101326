// The page of the schedule where an entry cannot be changed any more, and what a plan must be.
import { expect, test } from 'vitest';
import { renderSchedule, type ScheduleModel } from '../../src/pages/schedule.ts';
import { readPlan, scheduleMessage } from '../../src/vms/schedule.ts';
import { NOW } from '../support/page-models.ts';

type Entry = ScheduleModel['schedule']['items'][number];
const ID = '7b0d7f6e-4f39-4f8e-9d2c-0d8d3b6f9a11';

const entry: Entry = {
  id: ID,
  kind: 'launch',
  time: '2026-02-01T08:00',
  zone: 'UTC',
  due_at: '2026-02-01T08:00:00.000Z',
  shift: null,
  num_vms: 3,
  hours: 8,
  download: false,
  state: 'pending',
  message: 'Waits for its time.',
  run_at: null,
  retry_at: null,
  kept: [],
  archives: [],
  ended_at: null,
  scheduled_by: 'admin',
  operation_id: null,
};

const pageOf = (state: Entry['state'], changed: Partial<Entry> = {}): string =>
  renderSchedule({
    schedule: { items: [{ ...entry, ...changed, state }], clock_jump_seconds: 0 },
    done: null,
    form: {
      id: ID,
      values: { kind: 'launch', time: entry.time, zone: 'UTC', num_vms: '3', hours: '8', download: false },
      errors: [],
    },
    now: NOW,
    launches: true,
    maxVms: 100,
    defaultHours: null,
  });

test('a link to change an entry that runs or has ended shows no form, and says so', () => {
  for (const state of ['pending', 'skipped', 'missed'] as const) expect(pageOf(state)).toContain('id="plan"');
  for (const state of ['running', 'done', 'cancelled'] as const) {
    const html = pageOf(state);
    expect(html).not.toContain('id="plan"');
    expect(html).toContain('This entry cannot be changed any more');
  }
});

test('an entry says one hour, and shows a time in UTC once', () => {
  expect(pageOf('pending', { hours: 1 })).toMatch(/ for 1 hour /u);
  expect(pageOf('pending').match(/2026-02-01 08:00 UTC/gu)).toHaveLength(1);
  const elsewhere = pageOf('pending', { zone: 'Europe/Berlin', due_at: '2026-02-01T07:00:00.000Z' });
  expect(elsewhere).toContain(
    '2026-02-01 08:00 Europe/Berlin · <time datetime="2026-02-01T07:00:00.000Z">2026-02-01 07:00 UTC',
  );
});

test('what is wrong with a plan is a sentence that says what it must be', () => {
  const wrong = { kind: 'release', time: 'soon', zone: 'Mars', num_vms: 'x', hours: 100, download: 'maybe' };
  const read = readPlan(wrong, { now: NOW, maxVms: 40 });
  const errors = read.ok ? [] : read.failure;
  expect(errors.map(({ message }) => message)).toEqual([
    'kind must be launch or destroy',
    'time must be a time such as 2027-03-01T08:00',
    'zone must be a time zone such as Europe/Berlin',
    'num_vms must be a number of machines',
    'hours must be at most 72',
    'download must be true or false',
  ]);
});

test('the confirmation of a destroy that has kept machines names them, and does not say that all are destroyed', () => {
  const destroy: Entry = {
    ...entry,
    kind: 'destroy',
    num_vms: null,
    hours: null,
    download: true,
    kept: ['vm-7'],
  };
  const html = pageOf('missed', destroy);
  expect(html).toContain('These machines are destroyed now: vm-7.');
  expect(html).toContain('then the machines that were kept are destroyed: vm-7.');
  expect(html).not.toContain('All machines are destroyed');
});

test('an entry that somebody has asked to run is about to run until a server takes it', () => {
  const shown = (changed: Partial<Entry>, state: Entry['state'] = 'pending') =>
    /data-status="\w+">([^<]+)<\/span>\s*<p>([^\n]+)<\/p>/u.exec(pageOf(state, changed))?.slice(1);
  const at = '2026-02-01 08:00 UTC';
  const late = new Date(NOW.getTime() - 5_000).toISOString();
  const far = { due_at: new Date(NOW.getTime() + 3_600_000).toISOString() };
  expect(shown(far)).toEqual(['Planned', `${at} · in 1\u00A0h`]);
  expect(shown({ ...far, run_at: late })).toEqual(['About to run', at]);
  // What is wrong says more.
  expect(shown({ ...far, run_at: late, retry_at: late })?.[0]).toBe('Waiting');
  expect(shown({ ...far, run_at: late }, 'missed')?.[0]).toBe('Missed');
  const progress = { kind: 'launch', download: false, state: 'pending', problem: null, kept: [] } as const;
  expect(scheduleMessage({ ...progress, run: null })).toBe('Waits for its time.');
  expect(scheduleMessage({ ...progress, run: { by: 'ada', at: NOW } })).toBe('It is about to run.');
});
