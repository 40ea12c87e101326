import { describe, expect, test } from 'vitest';
import { assignmentSentences, assignmentState, type AssignmentFacts } from '../../src/vms/assignment.ts';
import { normalizeEmail } from '../../src/vms/email.ts';
import { makePin, pinLockAfter, pinTriesLeft } from '../../src/vms/pin.ts';
import { changes, readVmStatus, statusesThatAre, vmStatuses } from '../../src/vms/lifecycle.ts';
import { readGpuHealth } from '../../src/vms/status.ts';
import { readTimings, totalSeconds } from '../../src/vms/timings.ts';
import { hashToken, makeVmToken } from '../../src/vms/token.ts';

describe('an e-mail address', () => {
  test.each([
    ['A@B.c', 'a@b.c'],
    ['  ada@example.org\n', 'ada@example.org'],
    ['ada+lab@sub.example.org', 'ada+lab@sub.example.org'],
    ['\uff41da@example.org', 'ada@example.org'],
    ['ada@example.org.', 'ada@example.org'],
    ['Jürgen@Example.ORG', 'jürgen@example.org'],
    ['Ju\u0308rgen@example.org', 'j\u00fcrgen@example.org'],
    ['ada@example.org\u200b', 'ada@example.org'],
    ['\u202eada@example.org', 'ada@example.org'],
    ['a\u00adda\u2060@exam\ufeffple.org', 'ada@example.org'],
    ['ada\ufe0f\u034f\u3164@example.org', 'ada@example.org'],
    ['\u00a0ada@example.org\u2003', 'ada@example.org'],
  ])('the e-mail address %j is stored as %s', (given, email) => {
    expect(normalizeEmail(given)).toBe(email);
  });

  test.each([
    '',
    'ada',
    '@example.org',
    'ada@',
    'ada@localhost',
    'bob@example',
    'bob@example.',
    'bob@.org',
    'a b@c.d',
    'Ada <ada@example.org>',
    'a@b@c',
    'a@b\u0000c',
    'a\u0085b@c.d',
    'a\ue000@b.c',
    'a\u0378@b.c',
    'a\ud800@b.c',
    'a\u2800@b.c',
    'a\u2003b@c.d',
    '\u200b@\u200b',
    `${'a'.repeat(250)}@b.cd`,
  ])('the text %j is no e-mail address', (given) => {
    expect(normalizeEmail(given)).toBeNull();
  });
});

describe('a PIN', () => {
  test('a PIN has six digits, with leading zeros', () => {
    expect(makePin(() => 42)).toBe('000042');
    expect(makePin((below) => below - 1)).toBe('999999');
  });

  test('every fifth wrong PIN locks the assignment, each time for longer, for at most half an hour', () => {
    expect([1, 4, 5, 6, 9, 10, 15, 500].map(pinLockAfter)).toEqual([0, 0, 5, 0, 0, 10, 15, 30]);
    expect([1, 4, 6, 9].map(pinTriesLeft)).toEqual([4, 1, 4, 1]);
  });
});

describe('the state of an assignment', () => {
  const lifetimeMs = 600_000;
  const now = new Date('2026-01-01T12:00:00Z');
  const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);
  const facts: AssignmentFacts = {
    commandAt: ago(30),
    deliveredAt: null,
    outcome: null,
    releasedAt: null,
    reassignedAt: null,
    vmStatus: 'running',
    confirms: true,
    waiting: true,
  };
  test.each<[string, Partial<AssignmentFacts>, string]>([
    ['waits for the machine at first', {}, 'waiting'],
    ['expires when no machine took the command in time', { commandAt: ago(600) }, 'expired'],
    [
      'is lost when the machine does not ask for the command, so that a new one would not help',
      { commandAt: ago(600), waiting: false },
      'machine_lost',
    ],
    ['waits for a machine that may still ask', { commandAt: ago(599), waiting: false }, 'waiting'],
    [
      'needs a new command after a move, also on a machine that is not asking yet',
      { reassignedAt: ago(900), commandAt: ago(900), waiting: false },
      'expired',
    ],
    ['is sent once the machine has it', { deliveredAt: ago(10) }, 'sent'],
    [
      'expires if a machine that confirms commands does not confirm',
      { commandAt: ago(601), deliveredAt: ago(600) },
      'expired',
    ],
    [
      'cannot be confirmed by the published LabLink agents (0.0.4–0.1.2)',
      { deliveredAt: ago(10), confirms: false },
      'sent_unconfirmed',
    ],
    [
      'stays unconfirmed with a published agent',
      { commandAt: ago(9999), deliveredAt: ago(9990), confirms: false },
      'sent_unconfirmed',
    ],
    [
      'is connected when the machine reports it',
      { deliveredAt: ago(10), outcome: 'registered' },
      'connected',
    ],
    ['stays connected', { commandAt: ago(9999), deliveredAt: ago(9990), outcome: 'registered' }, 'connected'],
    ['is failed when the machine reports it', { deliveredAt: ago(10), outcome: 'failed' }, 'failed'],
    ['is lost with the machine', { outcome: 'registered', vmStatus: 'error' }, 'machine_lost'],
    [
      'is released after a release, whatever else happened',
      { vmStatus: 'error', outcome: 'failed', releasedAt: ago(1) },
      'released',
    ],
  ])('the state of an assignment %s', (_what, change, state) => {
    expect(assignmentState({ ...facts, ...change }, now, lifetimeMs)).toBe(state);
  });

  test('each state of an assignment has a sentence', () => {
    for (const sentence of Object.values(assignmentSentences)) expect(sentence).toMatch(/^[A-Z].*\.$/);
  });
});

describe('statuses', () => {
  test('a report replaces the statuses of a VM that the server did not set', () => {
    expect(statusesThatAre('reportable')).toEqual(['initializing', 'running', 'error', 'unreachable']);
    expect(vmStatuses.filter((status) => changes('report-error', status))).toEqual([
      'initializing',
      'running',
      'unreachable',
      'recycling',
    ]);
  });
  test('an unknown status in the database throws', () => {
    expect(readVmStatus('running')).toBe('running');
    expect(() => readVmStatus('runnin')).toThrow('runnin');
  });
  test('error, unreachable and destroying make a VM useless to its participant', () => {
    expect(statusesThatAre('lost')).toEqual(['error', 'unreachable', 'destroying']);
  });
  test('the status of a GPU is read in upper or lower case', () => {
    expect(['healthy', 'UNHEALTHY', 'n/a', 'Healthy', 'fine'].map(readGpuHealth)).toEqual([
      'Healthy',
      'Unhealthy',
      'N/A',
      'Healthy',
      null,
    ]);
  });
});

describe('timings', () => {
  test('timings accept both spellings of the container keys', () => {
    const read = { start: 10, end: 25, seconds: null };
    expect(readTimings({ container_start: 10, container_end: 25 }).container).toEqual(read);
    expect(readTimings({ container_start_time: 10, container_end_time: 25 }).container).toEqual(read);
  });
  test('timings leave out what was not reported', () => {
    const nothing = { start: null, end: null, seconds: null };
    expect(readTimings({})).toEqual({ cloudInit: nothing, container: nothing });
    expect(readTimings({ cloud_init_duration_seconds: 9 }).cloudInit).toEqual({ ...nothing, seconds: 9 });
  });
  test('timings have a total only if all three phases are known', () => {
    expect(totalSeconds([60, 30.5, 10])).toBe(100.5);
    expect(totalSeconds([60, null, 10])).toBeNull();
  });
});

describe('a VM token', () => {
  test('a VM token consists of 32 random bytes and is recognised by its hash', () => {
    const token = makeVmToken((count) => Buffer.alloc(count, 7));
    expect(token).toMatch(/^lvt_[A-Za-z0-9_-]{43}$/);
    expect(hashToken(token)).toHaveLength(32);
    expect(hashToken(token)).not.toEqual(hashToken(`${token}x`));
  });
});
