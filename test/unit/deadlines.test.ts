import { describe, expect, test } from 'vitest';
import { attentionOf, byUrgency, manyByOne, type AttentionFacts } from '../../src/vms/attention.ts';
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
      'Starting has taken 17 minutes (normally 5). Check the log.',
    ],
    [
      'being reset',
      { ...facts, status: 'recycling', statusSince: ago(11) },
      'recycling',
      10,
      'Resetting has taken 11 minutes',
    ],
    [
      'being destroyed',
      { ...facts, status: 'destroying', statusSince: ago(11) },
      'destroying',
      10,
      'Destroying has taken 11 minutes',
    ],
    ['waiting to pick up its command', assigned('waiting', ago(1), null), 'delivery', 2, null],
    [
      'that does not pick up its command',
      assigned('waiting', ago(3), null),
      'delivery',
      2,
      'has been waiting for 3 minutes',
    ],
    [
      'that does not confirm',
      assigned('sent', ago(9), ago(4)),
      'confirmation',
      2,
      'got the command 4 minutes ago',
    ],
  ])(
    'a machine %s has a deadline, and a sentence once it is overdue',
    (_what, given, what, minutes, overdue) => {
      const found = deadline(given);
      expect(found?.activity).toBe(what);
      expect(Number(found?.at) - Number(found?.since)).toBe(minutes * 60_000);
      if (overdue === null) expect(found?.overdue).toBeNull();
      else expect(found?.overdue).toContain(overdue);
    },
  );

  test.each<[string, DeadlineFacts]>([
    ['free', facts],
    ['in error', { ...facts, status: 'error' }],
    ['connected', assigned('connected', ago(60), ago(60))],
    ['that cannot confirm', assigned('sent_unconfirmed', ago(60), ago(60))],
  ])('a machine %s has no deadline', (_what, given) => {
    expect(deadline(given)).toBeNull();
  });

  test('one minute is singular in an overdue sentence', () => {
    expect(overdueSentence('starting', 61_000)).toContain('taken 1 minute (');
  });
});

describe('attention', () => {
  const machine: AttentionFacts = {
    hostname: 'a',
    status: 'running',
    statusSince: ago(5),
    gpuHealth: null,
    gpuSince: null,
    twinSince: null,
    twinAddresses: [],
    assignment: null,
    deadline: null,
  };
  const participant = {
    email: 'ada@x.org',
    name: '',
    state: 'connected',
    pinFailures: 0,
    commandAt: ago(9),
    reassignedAt: null,
    outcomeMessage: null,
  } as const;
  const twin = { twinSince: ago(1), twinAddresses: ['10.0.0.5', '10.0.0.6'] };
  const overdue = deadline({ ...facts, status: 'initializing', statusSince: ago(17) });
  test.each<[string, Partial<AttentionFacts>, string | null, string | null]>([
    ['is well', {}, null, null],
    ['is well, and assigned', { assignment: participant }, null, null],
    ['is in error, and assigned', { status: 'error', assignment: participant }, 'machine_lost', 'ada@x.org'],
    ['is unreachable, and not assigned', { status: 'unreachable' }, 'unreachable', null],
    [
      'is in error with the files of a released participant',
      { status: 'error', assignment: { ...participant, state: 'released' } },
      'error',
      null,
    ],
    [
      'needs a new command',
      { assignment: { ...participant, state: 'expired' } },
      'command_failed',
      'ada@x.org',
    ],
    [
      'could not use its command',
      { assignment: { ...participant, state: 'failed' } },
      'command_failed',
      'ada@x.org',
    ],
    [
      'runs but does not ask for its command',
      { assignment: { ...participant, state: 'machine_lost' } },
      'machine_lost',
      'ada@x.org',
    ],
    ['takes too long', { status: 'initializing', deadline: overdue }, 'overdue', null],
    ['got three wrong PINs', { assignment: { ...participant, pinFailures: 3 } }, null, null],
    ['got four wrong PINs', { assignment: { ...participant, pinFailures: 4 } }, 'wrong_pins', 'ada@x.org'],
    [
      'got wrong PINs and needs a new command',
      { assignment: { ...participant, pinFailures: 9, state: 'expired' } },
      'command_failed',
      'ada@x.org',
    ],
    [
      'got wrong PINs and is being destroyed',
      { status: 'destroying', assignment: { ...participant, pinFailures: 9 } },
      null,
      null,
    ],
    ['reports twice, and is assigned', { ...twin, assignment: participant }, 'twin', 'ada@x.org'],
    ['reports twice, and is in error', { ...twin, status: 'error' }, 'error', null],
    ['has an unhealthy GPU', { gpuHealth: 'Unhealthy' }, 'gpu_unhealthy', null],
    [
      'is being destroyed',
      { status: 'destroying', assignment: { ...participant, state: 'machine_lost' } },
      null,
      null,
    ],
  ])(
    'a machine that %s has the right reason for attention, and its participant',
    (_what, given, reason, email) => {
      const found = attentionOf({ ...machine, ...given });
      expect(found?.reason ?? null).toBe(reason);
      expect(found?.email ?? null).toBe(email);
    },
  );

  test('two machines under one hostname are told with the addresses of both, since that was noticed', () => {
    expect(attentionOf({ ...machine, ...twin })).toMatchObject({
      since: ago(1),
      message: expect.stringContaining('(from 10.0.0.5 and 10.0.0.6)') as string,
    });
  });

  test('an unhealthy GPU is told since its report, not since the status of the machine', () => {
    const since = (gpuSince: Date | null) =>
      attentionOf({ ...machine, gpuHealth: 'Unhealthy', gpuSince })?.since;
    expect([since(ago(1)), since(null)]).toEqual([ago(1), ago(5)]);
  });

  test.each([
    ['does not ask for its command', { state: 'machine_lost' }, 'Assign another machine.'],
    ['has a participant whose code has expired', { state: 'expired' }, 'code has expired'],
    [
      'could not use the command',
      { state: 'failed', outcomeMessage: 'invalid_grant.' },
      'did not work (invalid_grant). Ask',
    ],
    ['could not use the command for no known reason', { state: 'failed' }, 'did not work. Ask'],
    [
      'could not use the command, and says a lot',
      { state: 'failed', outcomeMessage: `start-host: ${'x'.repeat(5_000)} invalid_grant.` },
      'x invalid_grant). Ask',
    ],
    [
      'has a participant who was moved to it',
      { state: 'expired', reassignedAt: ago(3) },
      'was moved to this machine and needs a new command',
    ],
  ] as const)('a machine that %s needs attention, with what to do', (_what, change, message) => {
    const found = attentionOf({ ...machine, assignment: { ...participant, ...change } });
    expect(found?.message).toContain(message);
  });

  test('a browser that holds five machines is told once, with the first of them; four, and released ones, are not', () => {
    const held = (number: number, browser: string, releasedAt: Date | null = null) => ({
      hostname: `vm-${number}`,
      assignment: {
        name: '',
        email: `person${number}@x.org`,
        browsers: [browser, 'another one'],
        requestedFrom: '192.0.2.7',
        assignedAt: ago(number),
        releasedAt,
      },
    });
    const four = [1, 2, 3, 4].map((number) => held(number, 'four'));
    const five = [10, 11, 9, 12, 13].map((number) => held(number, 'five'));
    const free = { hostname: 'vm-20', assignment: null };
    expect(manyByOne([...four, held(5, 'four', ago(1)), free])).toEqual([]);
    const told = manyByOne([...four, ...five, free]);
    expect(told).toMatchObject([
      { hostname: 'vm-9', email: 'person9@x.org', reason: 'many_by_one', since: ago(9) },
    ]);
    expect(told[0]?.message).toContain('5 machines (from 192.0.2.7)');
  });

  test('participants who cannot work come first, then machines in the order of their numbers', () => {
    const entries = [
      { hostname: 'vm-10', reason: 'error' },
      { hostname: 'vm-2', reason: 'error' },
      { hostname: 'vm-30', reason: 'machine_lost' },
    ] as const;
    expect(entries.toSorted(byUrgency).map(({ hostname }) => hostname)).toEqual(['vm-30', 'vm-2', 'vm-10']);
  });
});

test.each([
  ['status', 'running', '', 'The machine is running.'],
  ['status', 'running', 'report-running', 'The machine is running.'],
  ['status', 'unreachable', 'gone', 'The machine no longer exists.'],
  ['status', 'running', 'something new', 'The machine is running.'],
  ['status', 'something new', '', 'something new'],
  ['assignment', 'assigned', 'ada@x.org', 'Assigned (ada@x.org).'],
  ['action', 'mark-healthy', 'error', 'Marked as healthy: error.'],
  ['action', 'restart', '', 'Restart requested.'],
  ['operation', 'Created.', 'info', 'Created.'],
] as const)('the timeline entry of kind %s with %s and "%s" reads "%s"', (kind, what, detail, text) => {
  expect(timelineText({ kind, what, detail })).toBe(text);
});
