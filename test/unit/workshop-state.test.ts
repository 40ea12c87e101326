import { expect, test } from 'vitest';
import type { LabFacts } from '../../src/vms/lab-availability.ts';
import { withStored, type WorkshopSettings } from '../../src/vms/workshop-settings.ts';
import { labStanding, workshopState } from '../../src/vms/workshop-state.ts';

const before = new Date('2027-03-01T07:59:59Z');
const during = new Date('2027-03-01T08:00:00Z');
const after = new Date('2027-03-01T16:00:00Z');
const times = { opensAt: '2027-03-01T08:00:00.000Z', closesAt: '2027-03-01T16:00:00.000Z' };
const none: LabFacts = { free: 0, waiting: 0, ready: 0, starting: 0, resetting: 0, total: 0 };
const free: LabFacts = { ...none, free: 1, ready: 1, total: 1 };
const taken: LabFacts = { ...none, ready: 1, total: 1 };

test.each([
  ['scheduled', before, free],
  ['scheduled', before, taken],
  ['open', during, free],
  ['full', during, taken],
  ['closed', after, free],
  ['closed', after, none],
] as const)('the workshop is %s at %s with %j', (state, now, machines) => {
  expect(workshopState(times, now, machines)).toBe(state);
});

test('without times a workshop is open for ever, also after all machines of a rehearsal were destroyed', () => {
  const always = { opensAt: null, closesAt: null };
  expect(workshopState(always, after, none)).toBe('open');
  expect(labStanding(always, after, none)).toEqual({
    state: 'not_open',
    message: expect.stringContaining('no machines right now') as string,
  });
});

test('a stored setting wins over the default, also where it is none; what is not understood is left out', () => {
  const defaults: WorkshopSettings = {
    ...{ title: 'From the environment', instructions: null, contact: 'here', join: 'open' },
    ...{ opensAt: null, closesAt: null, code: null },
  };
  const stored = [
    { key: 'title', value: 'From the page' },
    { key: 'contact', value: null },
    { key: 'join', value: 'by lot' },
    { key: 'later', value: 1 },
  ];
  expect(withStored(defaults, stored)).toEqual({ ...defaults, title: 'From the page', contact: null });
});
