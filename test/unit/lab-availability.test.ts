import { describe, expect, test } from 'vitest';
import { machineSentence, machineState, type LabFacts } from '../../src/vms/lab-availability.ts';

const nothing: LabFacts = { free: 0, waiting: 0, ready: 0, starting: 0, resetting: 0, total: 0 };

describe('the availability of machines', () => {
  test.each([
    ['not_open', {}, 'There are no machines right now.'],
    ['starting', { starting: 40, total: 40 }, 'none of 40 is ready yet'],
    ['starting', { starting: 28, ready: 12, total: 40 }, '12 of 40 are ready'],
    ['open', { free: 1, ready: 1, total: 1 }, '1 machine is free.'],
    ['open', { free: 12, ready: 12, starting: 28, total: 40 }, '12 machines are free. 28 more are starting.'],
    ['full', { ready: 40, total: 40 }, 'All machines are taken.'],
    [
      'full',
      { ready: 39, resetting: 1, total: 40 },
      'All machines are taken; one is being reset and will be free soon.',
    ],
    [
      'full',
      { ready: 4, total: 4, waiting: 1 },
      'All machines are taken. 1 person is waiting for one; submit the form to wait too.',
    ],
    // Those who wait come first.
    ['full', { ready: 4, free: 1, total: 4, waiting: 2 }, '2 people are waiting for one;'],
    ['full', { total: 2 }, 'No machine is available right now.'],
  ] as const)('the availability is %s with %j, with its sentence', (state, facts, sentence) => {
    expect(machineState({ ...nothing, ...facts })).toBe(state);
    expect(machineSentence({ ...nothing, ...facts })).toContain(sentence);
  });
});
