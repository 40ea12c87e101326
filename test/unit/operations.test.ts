import { describe, expect, test, vi } from 'vitest';
import type { NewOperationEvent } from '../../src/db/operation-events.ts';
import { merge } from '../../src/delivery/merge.ts';
import { createRunControl } from '../../src/provision/run-control.ts';
import { createOutput } from '../../src/provision/output.ts';
import { createProgressCounter } from '../../src/provision/run.ts';
import type { OperationProgress } from '../../src/db/operations.ts';
import { nextHostnames } from '../../src/vms/hostnames.ts';
import { describeOperation, operationMessage, type OperationFacts } from '../../src/vms/operation.ts';

const facts: OperationFacts = {
  kind: 'launch',
  status: 'running',
  requestedBy: 'ada',
  requestedAt: new Date('2026-01-31T09:00:00Z'),
  cancelRequestedAt: null,
  numVms: 3,
  hostnames: null,
  shutdownAt: null,
  done: 1,
  failed: 0,
  total: 3,
  problem: null,
};

describe('the sentences of an operation', () => {
  const problem = { kind: 'quota', problem: 'No quota.', remedy: 'Ask for more.' } as const;
  test.each<[Partial<OperationFacts>, string]>([
    [{ status: 'queued' }, 'Starting in a moment.'],
    [{ total: 0 }, 'Started.'],
    [{}, '1 of 3 machines created.'],
    [{ kind: 'destroy', numVms: null }, '1 of 3 machines destroyed.'],
    [{ cancelRequestedAt: new Date(0) }, 'The operation is being cancelled.'],
    [{ status: 'succeeded', done: 3 }, '3 machines were created.'],
    [{ status: 'succeeded', done: 1 }, '1 machine was created.'],
    [{ status: 'succeeded', kind: 'destroy', done: 0, total: 0 }, 'There was nothing to destroy.'],
    [{ status: 'failed', problem }, 'No quota.'],
    [{ status: 'cancelled', problem, cancelRequestedAt: new Date(0) }, 'No quota.'],
  ])('an operation with %j reads "%s"', (more, sentence) => {
    expect(operationMessage({ ...facts, ...more })).toBe(sentence);
  });

  test('the description of an operation names who requested it, and when', () => {
    expect(describeOperation(facts)).toBe(
      'A launch of 3 machines, requested by ada at 2026-01-31 09:00:00 UTC',
    );
    expect(describeOperation({ ...facts, kind: 'destroy', numVms: null })).toMatch(
      /^A destroy of all machines, /,
    );
  });
});

test('the next hostnames are the lowest that are free', () => {
  const taken = new Set(['lab-vm-prod-1', 'lab-vm-prod-3', 'lab-vm-test-2']);
  expect(nextHostnames({ name: 'lab', environment: 'prod' }, 3, taken)).toEqual([
    'lab-vm-prod-2',
    'lab-vm-prod-4',
    'lab-vm-prod-5',
  ]);
});

describe('the control of a run', () => {
  test('a run is cancelled, then forced to end, then abandoned', async () => {
    vi.useFakeTimers();
    try {
      const control = createRunControl({ forceAfterMs: 1_000, abandonAfterMs: 500 });
      const abandoned = vi.fn();
      void control.abandoned.then(abandoned);
      control.cancel('cancelled');
      control.cancel('timeout');
      expect([control.signal.aborted, control.forceSignal.aborted, control.reason()]).toEqual([
        true,
        false,
        'cancelled',
      ]);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(control.forceSignal.aborted).toBe(true);
      expect(abandoned).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(500);
      expect(abandoned).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  test('a run that lost its lease is forced to end at once, whatever the earlier reason', () => {
    const control = createRunControl({ forceAfterMs: 1_000, abandonAfterMs: 1_000 });
    control.cancel('cancelled');
    control.cancel('lost');
    expect([control.forceSignal.aborted, control.reason()]).toEqual([true, 'lost']);
    control.close();
  });

  test('after its end, a run cannot be cancelled or forced', () => {
    const control = createRunControl({ forceAfterMs: 1_000, abandonAfterMs: 1_000 });
    control.close();
    control.cancel('cancelled');
    control.force();
    expect([control.signal.aborted, control.forceSignal.aborted, control.reason()]).toEqual([
      false,
      false,
      null,
    ]);
  });
});

describe('the output of a run', () => {
  function collect(failures = 0) {
    const stored: string[] = [];
    let left = failures;
    const output = createOutput({
      store: (events: readonly NewOperationEvent[]) => {
        left -= 1;
        if (left >= 0) return Promise.reject(new Error('away'));
        stored.push(...events.map(({ text }) => text));
        return Promise.resolve();
      },
      flushMs: 1,
      now: () => new Date(0),
      onError: () => undefined,
    });
    return { stored, output };
  }

  test('output is stored in order although storing fails at first, and the rest is returned at the end', async () => {
    const { stored, output } = collect(2);
    const texts = Array.from({ length: 1_200 }, (_, index) => `line ${index}`);
    for (const text of texts) output.write({ level: 'info', text });
    await expect.poll(() => stored.length).toBe(1_200);
    output.write({ level: 'error', hostname: 'a', text: 'last' });
    const rest = await output.drain();
    expect([...stored, ...rest.map(({ text }) => text)]).toEqual([...texts, 'last']);
  });

  test('output is limited, and its last line says that further lines are not stored', async () => {
    const { stored, output } = collect();
    for (let index = 0; index < 20_100; index += 1) output.write({ level: 'info', text: 'again' });
    const all = [...stored, ...(await output.drain()).map(({ text }) => text)];
    expect(all).toHaveLength(20_000);
    expect(all.at(-1)).toContain('further lines are not stored');
  });
});

test('progress counts are written one at a time, and the newest is written last', async () => {
  const written: OperationProgress[] = [];
  let open = 0;
  const counter = createProgressCounter();
  counter.storeWith(async (progress) => {
    open += 1;
    expect(open).toBe(1);
    await Promise.resolve();
    written.push(progress);
    open -= 1;
  });
  counter.add({ total: 50 });
  for (let index = 0; index < 50; index += 1) counter.add({ done: 1 });
  await expect.poll(() => written.at(-1)).toEqual({ done: 50, failed: 0, total: 50 });
  expect(written.length).toBeLessThan(5);
});

describe('merged streams', () => {
  async function* count(name: string, to: number): AsyncGenerator<string, void> {
    for (let index = 1; index <= to; index += 1) {
      await Promise.resolve();
      yield `${name}${index}`;
    }
  }

  test('merged streams contain every item of each stream in its order, and end with the last stream', async () => {
    const all = await Array.fromAsync(merge([count('a', 3), count('b', 5), count('c', 0)]));
    expect(all).toHaveLength(8);
    expect(all.filter((value) => value.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
    expect(all.filter((value) => value.startsWith('b'))).toEqual(['b1', 'b2', 'b3', 'b4', 'b5']);
  });

  test('merged streams fail with the first stream that fails', async () => {
    async function* failing(): AsyncGenerator<string, void> {
      yield* count('x', 1);
      throw new Error('broken');
    }
    await expect(Array.fromAsync(merge([failing(), count('a', 2)]))).rejects.toThrow('broken');
  });
});
