// Reads that are shared, without a database: each test decides when a read ends.
import { expect, test } from 'vitest';
import { shareReads } from '../../src/async/shared-read.ts';
import { shareSizes } from '../../src/db/shares.ts';

function heldReads() {
  const begun: PromiseWithResolvers<string>[] = [];
  const read = shareReads(() => {
    const held = Promise.withResolvers<string>();
    begun.push(held);
    return held.promise;
  });
  return { begun, read };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

test('those who ask while a read runs share the next one, and none gets what was read before', async () => {
  const { begun, read } = heldReads();
  const first = read();
  await settle();
  const later = [read(), read(), read()];
  await settle();
  expect(begun).toHaveLength(1);
  begun[0]?.resolve('old');
  expect(await first).toBe('old');
  await settle();
  expect(begun).toHaveLength(2);
  begun[1]?.resolve('new');
  expect(await Promise.all(later)).toEqual(['new', 'new', 'new']);
});

test('a read that fails fails those who shared it, and the next one is read anew', async () => {
  const { begun, read } = heldReads();
  const failed = Promise.allSettled([read(), read()]);
  await settle();
  begun[0]?.reject(new Error('no database'));
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const next = read();
  await settle();
  begun[1]?.resolve('again');
  expect(await next).toBe('again');
});

test('the connections of a process are divided without a rest; too few are shared by all', () => {
  expect(shareSizes(10)).toEqual({ people: 4, machines: 3, others: 3 });
  expect(shareSizes(3)).toEqual({ people: 1, machines: 1, others: 1 });
  for (let size = 3; size <= 200; size += 1) {
    const { people, machines, others } = shareSizes(size);
    expect(people + machines + others).toBe(size);
  }
});
