import { describe, expect, test } from 'vitest';
import { sleep, untilAborted } from '../../src/async/abort.ts';
import { withTimeLimit } from '../../src/async/time-limit.ts';
import { createWakeUp } from '../../src/async/wake-up.ts';

const HOUR_MS = 3_600_000;
const never = new Promise<string>(() => undefined);

describe('waiting', () => {
  test('sleep ends without an error when its signal is aborted, before or meanwhile', async () => {
    await sleep(HOUR_MS, AbortSignal.abort());
    const stop = new AbortController();
    const sleeping = sleep(HOUR_MS, stop.signal);
    stop.abort();
    await sleeping;
  });

  test('untilAborted passes on what the work resolves to or rejects with, and is null once the signal is aborted', async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve('done'), signal)).toBe('done');
    await expect(untilAborted(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
    expect(await untilAborted(never, AbortSignal.abort())).toBeNull();
    expect(await untilAborted(Promise.reject(new Error('too late')), AbortSignal.abort())).toBeNull();
    const stop = new AbortController();
    const waiting = untilAborted(never, stop.signal);
    stop.abort();
    expect(await waiting).toBeNull();
  });

  test('withTimeLimit aborts work that takes too long and gives the other answer', async () => {
    let seen: AbortSignal | undefined;
    const slow = (signal: AbortSignal): Promise<string> => {
      seen = signal;
      return never;
    };
    expect(await withTimeLimit(1, slow, () => 'too late')).toBe('too late');
    expect(seen?.aborted).toBe(true);
    expect(
      await withTimeLimit(
        HOUR_MS,
        () => Promise.resolve('in time'),
        () => 'too late',
      ),
    ).toBe('in time');
  });

  test('a wake-up ends the pause that is going on, or else the next one, and only one', async () => {
    const { wake, pause } = createWakeUp();
    const stop = new AbortController();
    const pausing = pause(HOUR_MS, stop.signal);
    wake();
    await pausing;
    wake();
    await pause(HOUR_MS, stop.signal);
    const again = pause(HOUR_MS, stop.signal);
    stop.abort();
    await again;
  });
});
