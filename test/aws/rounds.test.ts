// The retry policy of a launch.
import { describe, expect, test } from 'vitest';
import { explainOutput } from '../../src/provision/aws/failure.ts';
import {
  FIRST_ROUND,
  nextRound,
  passes,
  type Round,
  type RoundOutcome,
} from '../../src/provision/aws/rounds.ts';

const CAPACITY = explainOutput('InsufficientInstanceCapacity: no room');
const THROTTLED = explainOutput('RequestLimitExceeded: slow down');
const UNAVAILABLE = explainOutput('StatusCode: 503, api error Unavailable');
const QUOTA = explainOutput('VcpuLimitExceeded: too many');
const EXISTS = explainOutput('EntityAlreadyExists: the role exists');
const EXPIRED = explainOutput('ExpiredToken: expired');

const outcome = (more: Partial<RoundOutcome>): RoundOutcome => ({
  ...{ failure: null, open: 2, missing: 2 },
  ...{ hasCreated: false, hasRejected: false, hasCleanedUp: false, isCancelled: false },
  ...more,
});
const after = (more: Partial<RoundOutcome>, round: Partial<Round> = {}, placements = 3) =>
  nextRound({ ...FIRST_ROUND, ...round }, outcome(more), placements);
const round = (given: Partial<Round>, pause = false) => ({
  kind: 'round',
  round: { ...FIRST_ROUND, ...given },
  pause,
});

describe('the rounds of a launch', () => {
  test('a launch is complete when nothing is missing', () =>
    expect(after({ missing: 0, open: 0 })).toEqual({ kind: 'complete' }));

  test('a placement without capacity is followed by the next one at once', () =>
    expect(after({ failure: CAPACITY })).toEqual(round({ placement: 1 })));

  test('after the last placement without capacity, the first is tried once more after a pause', () => {
    expect(after({ failure: CAPACITY }, { placement: 2 })).toEqual(round({ isLast: true }, true));
    expect(after({ failure: CAPACITY }, { isLast: true })).toEqual({ kind: 'stop' });
  });

  test.each([THROTTLED, UNAVAILABLE])('a refusal that passes gets one more round ($message)', (failure) => {
    expect(after({ failure }, { placement: 1 })).toEqual(round({ placement: 1, hasRepeated: true }, true));
    expect(after({ failure }, { placement: 1, hasRepeated: true })).toEqual({ kind: 'stop' });
  });

  test('machines that were skipped are tried again as long as rounds create machines', () => {
    expect(after({ failure: QUOTA, hasRejected: true, hasCreated: true })).toEqual(round({}));
    expect(after({ failure: THROTTLED, hasCreated: true })).toEqual(round({}));
    expect(after({ failure: QUOTA, hasRejected: true })).toEqual({ kind: 'stop' });
  });

  test('a shared resource that was in the way and has been deleted is no reason to stop', () => {
    expect(after({ failure: EXISTS, hasCleanedUp: true })).toEqual(round({}));
    expect(after({ failure: EXISTS })).toEqual({ kind: 'stop' });
  });

  test('expired credentials, a cancellation, and nothing left to try end the launch', () => {
    expect(after({ failure: EXPIRED, hasCreated: true, hasRejected: true })).toEqual({ kind: 'stop' });
    expect(after({ failure: CAPACITY, isCancelled: true })).toEqual({ kind: 'stop' });
    expect(after({ failure: CAPACITY, open: 0 })).toEqual({ kind: 'stop' });
  });

  test('every series of rounds ends, whatever AWS answers without creating machines', () => {
    for (const failure of [CAPACITY, THROTTLED, UNAVAILABLE, QUOTA, EXPIRED, null]) {
      let [current, count] = [FIRST_ROUND, 0];
      for (;;) {
        count += 1;
        const next = nextRound(current, outcome({ failure }), 6);
        if (next.kind !== 'round') break;
        current = next.round;
      }
      expect(count).toBeLessThanOrEqual(6 + 1);
    }
  });

  test('only what a moment changes passes', () => {
    expect([CAPACITY, THROTTLED, UNAVAILABLE].map(passes)).toEqual([true, true, true]);
    expect([QUOTA, EXISTS, EXPIRED, null].map(passes)).toEqual([false, false, false, false]);
  });
});
