import { describe, expect, test, vi } from 'vitest';
import { createLifecycle, type Closing } from '../../src/lifecycle.ts';
import { createLog } from '../../src/log.ts';

/** Timers that a test moves forward. */
function testTimers() {
  let now = 0;
  const timers = new Set<{ at: number; action: () => void }>();
  return {
    after: (delayMs: number, action: () => void) => {
      const timer = { at: now + delayMs, action };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    pass: (ms: number) => {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.action();
      }
    },
    pending: () => timers.size,
  };
}

function setUp() {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => lines.push(line) } });
  const timers = testTimers();
  const events: string[] = [];
  const lifecycle = createLifecycle(log, {
    closeTimeoutMs: 100,
    forcedCloseTimeoutMs: 10,
    after: timers.after,
  });
  const acquire = (name: string, close: (closing: Closing) => void | Promise<void> = () => undefined) =>
    lifecycle.acquire(
      name,
      () => events.push(`open ${name}`),
      (_, closing) => {
        events.push(`close ${name}`);
        return close(closing);
      },
    );
  return { lifecycle, acquire, events, lines, timers };
}

const fail = (message: string) => (): never => {
  throw new Error(message);
};
const untilForced = ({ force }: Closing): Promise<void> =>
  new Promise((resolve) => {
    if (force.aborted) resolve();
    else force.addEventListener('abort', () => resolve());
  });
const never = (): Promise<void> => Promise.withResolvers<undefined>().promise;

describe('stopping', () => {
  test('stop closes everything once and in reverse, each after the one before', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    await acquire('pool');
    await acquire('listener', async () => {
      await Promise.resolve();
      events.push('listener is closed');
    });
    await acquire('server');
    await lifecycle.stop('asked to');
    expect(events.slice(3)).toStrictEqual([
      'close server',
      'close listener',
      'listener is closed',
      'close pool',
    ]);
    expect(timers.pending()).toBe(0);
  });

  test('each close gets what its open returned', async () => {
    const { lifecycle } = setUp();
    const close = vi.fn<(opened: { port: number }) => void>();
    const opened = await lifecycle.acquire('server', () => Promise.resolve({ port: 5000 }), close);
    expect(opened).toStrictEqual({ port: 5000 });
    await lifecycle.stop('asked to');
    expect(close.mock.calls[0]?.[0]).toBe(opened);
  });

  test('stop aborts the signal before anything is closed', async () => {
    const { lifecycle, acquire, events } = setUp();
    await acquire('pool');
    lifecycle.signal.addEventListener('abort', () => events.push('told'));
    expect(lifecycle.signal.aborted).toBe(false);
    await lifecycle.stop('SIGTERM');
    expect(events).toStrictEqual(['open pool', 'told', 'close pool']);
    expect(lifecycle.signal.reason).toStrictEqual(new Error('Stopping: SIGTERM'));
  });

  test('stop continues when a close throws, rethrows the first error, and logs all of them', async () => {
    const { lifecycle, acquire, events, lines } = setUp();
    await acquire('pool');
    await acquire('listener', fail('second'));
    await acquire('server', fail('first'));
    await expect(lifecycle.stop('asked to')).rejects.toThrow('first');
    expect(events.slice(3)).toStrictEqual(['close server', 'close listener', 'close pool']);
    expect(lines.filter((line) => line.includes('"level":"error"'))).toHaveLength(2);
    expect(lines.join()).toMatch(/"message":"first".*"message":"second"/s);
  });

  test('several stops at the same time are one stop with one outcome', async () => {
    const { lifecycle, acquire, events } = setUp();
    await acquire('pool', fail('broken'));
    const outcomes = await Promise.allSettled([
      lifecycle.stop('one'),
      lifecycle.stop('two'),
      lifecycle.kill(5),
    ]);
    expect(outcomes.map(({ status }) => status)).toStrictEqual(['rejected', 'rejected', 'rejected']);
    expect(events).toStrictEqual(['open pool', 'close pool']);
  });

  test('a stop from a listener of the signal is no second stop', async () => {
    const { lifecycle, acquire, events } = setUp();
    await acquire('pool');
    const inner: Promise<void>[] = [];
    lifecycle.signal.addEventListener('abort', () => inner.push(lifecycle.stop('again')));
    await lifecycle.stop('asked to');
    await Promise.all(inner);
    expect(inner).toHaveLength(1);
    expect(events).toStrictEqual(['open pool', 'close pool']);
  });

  test('a stop after the end throws, while kill and dispose have nothing to do', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    await acquire('pool');
    await lifecycle.stop('asked to');
    await expect(lifecycle.stop('asked again')).rejects.toThrow('stopping again ("asked again") is a bug');
    await lifecycle.kill(1_000);
    await lifecycle[Symbol.asyncDispose]();
    expect(events).toStrictEqual(['open pool', 'close pool']);
    expect(timers.pending()).toBe(0);
  });

  test('a lifecycle stops by itself at the end of `await using`', async () => {
    const { lifecycle, acquire, events } = setUp();
    {
      await using disposed = lifecycle;
      await acquire('pool');
      expect(disposed.signal.aborted).toBe(false);
    }
    expect(events).toStrictEqual(['open pool', 'close pool']);
  });
});

describe('starting', () => {
  test('an acquire that fails closes what was opened before and rejects with the reason', async () => {
    const { lifecycle, acquire, events } = setUp();
    await acquire('pool');
    await acquire('listener');
    await expect(lifecycle.acquire('server', fail('the port is taken'), () => undefined)).rejects.toThrow(
      'port is taken',
    );
    expect(events.slice(2)).toStrictEqual(['close listener', 'close pool']);
    expect(lifecycle.signal.aborted).toBe(true);
    await lifecycle[Symbol.asyncDispose]();
  });

  test('an acquire that fails rejects with its own reason even when a close fails too', async () => {
    const { lifecycle, acquire, lines } = setUp();
    await acquire('pool', fail('the pool is broken'));
    const opening = lifecycle.acquire(
      'server',
      () => Promise.reject(new Error('the port is taken')),
      vi.fn(),
    );
    await expect(opening).rejects.toThrow('the port is taken');
    expect(lines.join()).toContain('the pool is broken');
  });

  test('an acquire is refused once stopping has begun', async () => {
    const { lifecycle } = setUp();
    await lifecycle.stop('SIGTERM');
    const open = vi.fn();
    await expect(lifecycle.acquire('server', open, vi.fn())).rejects.toThrow('Stopping: SIGTERM');
    expect(open).not.toHaveBeenCalled();
  });

  test('a resource that is still opening when stopping begins is closed first, and its acquire rejects', async () => {
    const { lifecycle, acquire, events } = setUp();
    await acquire('pool');
    const server = Promise.withResolvers<string>();
    const opening = lifecycle.acquire(
      'server',
      () => server.promise,
      (name) => void events.push(`close ${name}`),
    );
    const stopped = lifecycle.stop('SIGTERM');
    server.resolve('late server');
    await expect(opening).rejects.toThrow('Stopping: SIGTERM');
    await stopped;
    expect(events).toStrictEqual(['open pool', 'close late server', 'close pool']);
  });

  test('an open can watch the signal and give up by itself', async () => {
    const { lifecycle } = setUp();
    const open = (signal: AbortSignal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('gave up')));
      });
    const opening = lifecycle.acquire('slow', open, vi.fn());
    const stopped = lifecycle.stop('SIGTERM');
    await expect(opening).rejects.toThrow('gave up');
    await stopped;
  });

  test('a resource that opens after everything is closed is closed at once', async () => {
    const { lifecycle, timers, events } = setUp();
    const server = Promise.withResolvers<string>();
    const opening = lifecycle.acquire(
      'server',
      () => server.promise,
      (name) => void events.push(`close ${name}`),
    );
    const stopped = lifecycle.stop('SIGTERM');
    timers.pass(100);
    timers.pass(10);
    await expect(stopped).rejects.toThrow(
      'Closing resources that were still opening did not end within 10 ms',
    );
    server.resolve('very late server');
    await expect(opening).rejects.toThrow('Stopping: SIGTERM');
    expect(events).toStrictEqual(['close very late server']);
  });
});

describe('time', () => {
  test('a close that takes too long is forced, and can still succeed', async () => {
    const { lifecycle, acquire, events, timers, lines } = setUp();
    await acquire('pool');
    await acquire('server', untilForced);
    const stopped = lifecycle.stop('asked to');
    await vi.waitFor(() => expect(events).toContain('close server'));
    timers.pass(99);
    expect(events).not.toContain('close pool');
    timers.pass(1);
    await stopped;
    expect(events.at(-1)).toBe('close pool');
    expect(lines.join()).toContain('Closing server is forced.');
    expect(timers.pending()).toBe(0);
  });

  test('a close that does not end when forced is given up by name, and the rest is closed', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    await acquire('pool');
    await acquire('server', never);
    const stopped = lifecycle.stop('asked to');
    const outcome = expect(stopped).rejects.toThrow(
      'Closing server did not end within 10 ms of being forced.',
    );
    await vi.waitFor(() => expect(events).toContain('close server'));
    timers.pass(100);
    timers.pass(10);
    await outcome;
    expect(events.at(-1)).toBe('close pool');
    expect(timers.pending()).toBe(0);
  });

  test('kill lets everything close within the grace period', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    const forced: boolean[] = [];
    await acquire('server', ({ force }) => void forced.push(force.aborted));
    await lifecycle.kill(50);
    expect(events.at(-1)).toBe('close server');
    expect(forced).toStrictEqual([false]);
    expect(timers.pending()).toBe(0);
  });

  test('kill forces what has not closed within the grace period, and everything after it at once', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    const poolForced: boolean[] = [];
    await acquire('pool', ({ force }) => void poolForced.push(force.aborted));
    await acquire('server', untilForced);
    const killed = lifecycle.kill(50);
    await vi.waitFor(() => expect(events).toContain('close server'));
    timers.pass(50);
    await killed;
    expect(poolForced).toStrictEqual([true]);
    expect(timers.pending()).toBe(0);
  });

  test('a second kill with a shorter grace period shortens the first', async () => {
    const { lifecycle, acquire, events, timers } = setUp();
    await acquire('server', untilForced);
    const first = lifecycle.kill(90);
    await vi.waitFor(() => expect(events).toContain('close server'));
    const second = lifecycle.kill(0);
    timers.pass(0);
    await Promise.all([first, second]);
    expect(timers.pending()).toBe(0);
  });

  test('a lifecycle uses the real clock by default', async () => {
    const log = createLog({ level: 'silent' });
    const lifecycle = createLifecycle(log, { closeTimeoutMs: 1, forcedCloseTimeoutMs: 1 });
    await lifecycle.acquire('server', vi.fn(), never);
    await expect(lifecycle.stop('asked to')).rejects.toThrow('Closing server did not end within 1 ms');
  });
});
