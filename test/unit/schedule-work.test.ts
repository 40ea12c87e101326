// Which machines a planned destroy may destroy after its download.
import { expect, test } from 'vitest';
import { workAfter, type PlannedMachine } from '../../src/schedule/work.ts';

const machine = (hostname: string, assignmentId: string | null, mayHoldWork = true): PlannedMachine => ({
  ...{ hostname, assignmentId, mayHoldWork },
  isOwn: hostname !== 'external',
});

test('a machine goes if nobody has had it, or if it was downloaded whole and nobody else has got it since', () => {
  const before = [
    machine('never-had', null, false),
    machine('whole', 'ann'),
    machine('cut', 'bob'),
    machine('released-since', 'eve'),
    machine('taken-since', null),
    machine('passed-on', 'ida'),
    machine('had-before', null),
    machine('had-before-and-cut', null),
  ];
  const now = [
    machine('never-had', null, false),
    machine('whole', 'ann'),
    machine('cut', 'bob'),
    machine('released-since', null),
    machine('taken-since', 'joe'),
    machine('passed-on', 'kim'),
    machine('had-before', null),
    machine('had-before-and-cut', null),
    machine('launched-and-taken-since', 'leo'),
    machine('external', 'max'),
  ];
  const whole = new Set(['whole', 'released-since', 'taken-since', 'passed-on', 'had-before']);
  expect(workAfter(whole, { before, now, again: [] })).toEqual({
    hostnames: ['never-had', 'whole', 'released-since', 'had-before', 'external'],
    assignmentIds: ['ann', 'max'],
    kept: ['cut', 'taken-since', 'passed-on', 'had-before-and-cut', 'launched-and-taken-since'],
  });
});

test('where nothing is kept, all machines go, but none that somebody gets until then', () => {
  const machines = [machine('whole', 'ann'), machine('never-had', null, false)];
  expect(workAfter(new Set(['whole']), { before: machines, now: machines, again: [] })).toEqual({
    hostnames: null,
    assignmentIds: ['ann'],
    kept: [],
  });
});

test('a later attempt means only what an earlier one has kept', () => {
  const kept = [machine('cut', 'ann'), machine('cut-again', 'bob')];
  const now = [...kept, machine('launched-since', null, false)];
  const workOf = (...whole: readonly string[]) =>
    workAfter(new Set(whole), { before: kept, now, again: ['cut', 'cut-again', 'gone'] });
  expect(workOf('cut')).toMatchObject({ hostnames: ['cut'], kept: ['cut-again'] });
  expect(workOf('cut', 'cut-again')).toMatchObject({ hostnames: ['cut', 'cut-again'], kept: [] });
});
