import { describe, expect, test } from 'vitest';
import { attentionOf, byUrgency, type AttentionFacts } from '../../src/vms/attention.ts';
import {
  deadlineOf,
  defaultDeadlines,
  overdueSentence,
  type DeadlineFacts,
} from '../../src/vms/deadlines.ts';
import { timelineText } from '../../src/vms/timeline.ts';

const now = new Date('2026-01-01T12:00:00Z');
const ago = (minutes: number) => new Date(now.getTime() - minutes * 60_000);
const facts: DeadlineFacts = { status: 'running', statusSince: ago(60), assignment: null };
const assigned = (
  state: NonNullable<DeadlineFacts['assignment']>['state'],
  commandAt: Date,
  deliveredAt: Date | null,
) => ({
  ...facts,
  assignment: { state, commandAt, deliveredAt },
});
const deadline = (given: DeadlineFacts) => deadlineOf(given, now, defaultDeadlines);

describe('a deadline', () => {
  test.each<[string, DeadlineFacts, string, number, string | null]>([
    ['starting', { ...facts, status: 'initializing', statusSince: ago(15) }, 'starting', 15, null],
    [
      'starting for too long',
      { ...facts, status: 'initializing', statusSince: ago(17) },
      'starting',
      15,
      'Starting for 17 minutes, usually 5: look at its log.',
    ],
    [
      'being emptied',
      { ...facts, status: 'recycling', statusSince: ago(11) },
      'recycling',
      10,
      'Being emptied for 11 minutes',
    ],
    [
      'being destroyed',
      { ...facts, status: 'destroying', statusSince: ago(11) },
      'destroying',
      10,
      'Being destroyed for 11',
    ],
    ['waiting to fetch its command', assigned('waiting', ago(1), null), 'delivery', 2, null],
    [
      'that does not fetch its command',
      assigned('waiting', ago(3), null),
      'delivery',
      2,
      'has waited for 3 minutes',
    ],
    [
      'that does not confirm',
      assigned('sent', ago(9), ago(4)),
      'confirmation',
      2,
      'had its command for 4 minutes',
    ],
  ])('of a machine %s', (_what, given, what, minutes, overdue) => {
    const found = deadline(given);
    expect(found?.what).toBe(what);
    expect(Number(found?.at) - Number(found?.since)).toBe(minutes * 60_000);
    if (overdue === null) expect(found?.overdue).toBeNull();
    else expect(found?.overdue).toContain(overdue);
  });

  test.each<[string, DeadlineFacts]>([
    ['free', facts],
    ['in error', { ...facts, status: 'error' }],
    ['connected', assigned('connected', ago(60), ago(60))],
    ['that cannot confirm', assigned('sent_unconfirmed', ago(60), ago(60))],
  ])('is none of a machine %s', (_what, given) => {
    expect(deadline(given)).toBeNull();
  });

  test('a minute is one', () => {
    expect(overdueSentence('starting', 61_000)).toContain('for 1 minute,');
  });
});

describe('what needs the admin', () => {
  const machine: AttentionFacts = {
    hostname: 'a',
    status: 'running',
    statusSince: ago(5),
    gpuHealth: null,
    assignment: null,
    deadline: null,
  };
  const person = { email: 'ada@x.org', state: 'connected', commandAt: ago(9) } as const;
  const overdue = deadline({ ...facts, status: 'initializing', statusSince: ago(17) });
  test.each<[string, Partial<AttentionFacts>, string | null, string | null]>([
    ['is well', {}, null, null],
    ['is well, with somebody', { assignment: person }, null, null],
    ['is lost to somebody', { status: 'error', assignment: person }, 'machine_lost', 'ada@x.org'],
    ['is unreachable, and nobody’s', { status: 'unreachable' }, 'unreachable', null],
    [
      'is in error with the work of somebody who left',
      { status: 'error', assignment: { ...person, state: 'released' } },
      'error',
      null,
    ],
    [
      'waits for a fresh command',
      { assignment: { ...person, state: 'expired' } },
      'command_failed',
      'ada@x.org',
    ],
    [
      'could not use its command',
      { assignment: { ...person, state: 'failed' } },
      'command_failed',
      'ada@x.org',
    ],
    ['takes too long', { status: 'initializing', deadline: overdue }, 'overdue', null],
    ['has an unhealthy GPU', { gpuHealth: 'Unhealthy' }, 'gpu_unhealthy', null],
    [
      'is being destroyed',
      { status: 'destroying', assignment: { ...person, state: 'machine_lost' } },
      null,
      null,
    ],
  ])('of a machine that %s', (_what, given, reason, email) => {
    const found = attentionOf({ ...machine, ...given });
    expect(found?.reason ?? null).toBe(reason);
    expect(found?.email ?? null).toBe(email);
  });

  test('people who cannot work come first, machines by their numbers', () => {
    const entries = [
      { hostname: 'vm-10', reason: 'error' },
      { hostname: 'vm-2', reason: 'error' },
      { hostname: 'vm-30', reason: 'machine_lost' },
    ] as const;
    expect(entries.toSorted(byUrgency).map(({ hostname }) => hostname)).toEqual(['vm-30', 'vm-2', 'vm-10']);
  });
});

test.each([
  ['status', 'running', '', 'It is running.'],
  ['status', 'something new', '', 'something new'],
  ['assignment', 'assigned', 'ada@x.org', 'ada@x.org was given it.'],
  ['action', 'mark-healthy', 'error', 'Marked healthy: error.'],
  ['action', 'restart', '', 'Restarted.'],
  ['operation', 'Was made.', 'info', 'Was made.'],
] as const)('the timeline tells %s %s of "%s" as "%s"', (kind, what, detail, told) => {
  expect(timelineText({ kind, what, detail })).toBe(told);
});
