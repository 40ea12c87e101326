// Groups without a database: each test decides when a group ends, and nothing depends on time.
import { describe, expect, test } from 'vitest';
import { createGroups, NotServed, type GroupOptions, type Groups } from '../../src/async/groups.ts';

type Ending = (answers?: readonly (string | undefined)[] | Error) => Promise<void>;
type Begun = { readonly items: readonly string[]; readonly end: Ending };

/** Groups of texts whose key is the first letter. `begun` has every group that has begun; a test ends each. */
function heldGroups(options: Partial<GroupOptions<string, string>> = {}): {
  readonly groups: Groups<string, string>;
  readonly begun: readonly Begun[];
} {
  const begun: Begun[] = [];
  const groups = createGroups<string, string>({
    keyOf: (item) => item.charAt(0),
    maxSize: 100,
    maxWaiting: 1_000,
    together: (items) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly (string | undefined)[]>();
      const end: Ending = async (answers = items.map((item) => `${item} together`)) => {
        if (answers instanceof Error) reject(answers);
        else resolve(answers);
        await settle();
      };
      begun.push({ items, end });
      return promise;
    },
    alone: (item) => Promise.resolve(`${item} alone`),
    isWorthTryingAlone: () => true,
    ...options,
  });
  return { groups, begun };
}

/** Lets everything happen that can happen without something new. */
const settle = async () => {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
};
const itemsOf = (begun: readonly Begun[]) => begun.map(({ items }) => items);

describe('a group', () => {
  test('one that comes alone is served at once, by itself', async () => {
    const { groups, begun } = heldGroups();
    const answer = groups.serve('a');
    await settle();
    expect(itemsOf(begun)).toEqual([['a']]);
    await begun[0]?.end();
    expect(await answer).toBe('a together');
  });

  test('the next group begins before those of the one before are answered', async () => {
    const { groups, begun } = heldGroups();
    const begunWhenAnswered = groups.serve('a').then(() => itemsOf(begun));
    await settle();
    const next = groups.serve('b');
    await begun[0]?.end();
    expect(await begunWhenAnswered).toEqual([['a'], ['b']]);
    await begun[1]?.end();
    expect(await next).toBe('b together');
  });

  test('one that its group could not serve is served before those who came later', async () => {
    const order: string[] = [];
    const { groups, begun } = heldGroups({
      alone: (item) => {
        order.push(`${item} alone, ${begun.length} groups`);
        return Promise.resolve(item);
      },
    });
    const answers = [groups.serve('a1')];
    await settle();
    answers.push(groups.serve('b'));
    await begun[0]?.end([undefined]);
    expect(order).toEqual(['a1 alone, 1 groups']);
    const failed = groups.serve('c');
    await begun[1]?.end(new Error('no database'));
    expect(order.at(-1)).toBe('b alone, 2 groups');
    await begun[2]?.end();
    await Promise.all([...answers, failed]);
  });

  test('after a group of several, the next one waits for the end of the rest; after one alone, it does not', async () => {
    const rests: ReturnType<typeof Promise.withResolvers<undefined>>[] = [];
    const rest = () => {
      rests.push(Promise.withResolvers<undefined>());
      return rests.at(-1)!.promise;
    };
    const { groups, begun } = heldGroups({ rest });
    const answers = [groups.serve('a'), groups.serve('b')];
    await settle();
    await begun[0]?.end();
    answers.push(groups.serve('c'));
    await settle();
    expect(itemsOf(begun)).toEqual([['a', 'b']]);
    answers.push(groups.serve('d'));
    rests[0]?.resolve(undefined);
    await settle();
    expect(itemsOf(begun)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    await begun[1]?.end();
    rests[1]?.resolve(undefined);
    for (const alone of ['e', 'f']) {
      answers.push(groups.serve(alone));
      await settle();
      expect(begun.at(-1)?.items).toEqual([alone]);
      await begun.at(-1)?.end();
    }
    expect(rests).toHaveLength(2);
    expect(await Promise.all(answers)).toHaveLength(6);
  });

  test('in halves, clients that ask again and again are two groups of one size in turns, however they began', async () => {
    const { groups, begun } = heldGroups({ inHalves: true, keyOf: undefined });
    const isOver = new AbortController();
    const client = async (name: string): Promise<void> => {
      while (!isOver.signal.aborted) await groups.serve(name);
    };
    const clients = [client('0')];
    await settle();
    for (let name = 1; name < 10; name += 1) clients.push(client(String(name)));
    for (let round = 0; round < 6; round += 1) await begun[round]?.end();
    expect(begun.slice(0, 7).map(({ items }) => items.length)).toEqual([1, 5, 5, 5, 5, 5, 5]);
    isOver.abort();
    for (let round = 6; round < begun.length; round += 1) await begun[round]?.end();
    await Promise.all(clients);
  });

  test('in halves, those who come together to an idle server are two groups', async () => {
    const { groups, begun } = heldGroups({ inHalves: true });
    const answers = ['a', 'b', 'c'].map((item) => groups.serve(item));
    await settle();
    await begun[0]?.end();
    await begun[1]?.end();
    expect(itemsOf(begun)).toEqual([['a', 'b'], ['c']]);
    expect(await Promise.all(answers)).toHaveLength(3);
  });

  test('without keys, the same item may be in a group twice', async () => {
    const { groups, begun } = heldGroups({ keyOf: undefined });
    const answers = [groups.serve('a'), groups.serve('a')];
    await settle();
    expect(itemsOf(begun)).toEqual([['a', 'a']]);
    await begun[0]?.end();
    expect(await Promise.all(answers)).toEqual(['a together', 'a together']);
  });

  test('what other connections bring in the same moment is in the group too', async () => {
    const { groups, begun } = heldGroups();
    const answers = [groups.serve('a')];
    // As after the next callbacks of connections that are ready: not at once, but before the process waits again.
    await new Promise((resolve) => process.nextTick(resolve));
    for (let after = 0; after < 5; after += 1) await Promise.resolve();
    answers.push(groups.serve('b'));
    await settle();
    expect(itemsOf(begun)).toEqual([['a', 'b']]);
    await begun[0]?.end();
    expect(await Promise.all(answers)).toEqual(['a together', 'b together']);
  });

  test('those that come while a group is served are the next group, in their order', async () => {
    const { groups, begun } = heldGroups();
    const answers = [groups.serve('a')];
    await settle();
    answers.push(groups.serve('c'), groups.serve('b'), groups.serve('d'));
    await settle();
    expect(itemsOf(begun)).toEqual([['a']]);
    expect(groups.sizes()).toMatchObject({ waiting: 3 });
    await begun[0]?.end();
    expect(itemsOf(begun)).toEqual([['a'], ['c', 'b', 'd']]);
    await begun[1]?.end(['for c', 'for b', 'for d']);
    expect(await Promise.all(answers)).toEqual(['a together', 'for c', 'for b', 'for d']);
    expect(groups.sizes()).toEqual({ groups: 2, items: 4, largest: 3, alone: 0, waiting: 0 });
  });

  test('what comes in the same moment is one group', async () => {
    const { groups, begun } = heldGroups();
    const answers = [groups.serve('a'), groups.serve('b')];
    await settle();
    expect(itemsOf(begun)).toEqual([['a', 'b']]);
    await begun[0]?.end();
    await Promise.all(answers);
  });

  test('a group has a greatest size, and the others are served by the next ones', async () => {
    const { groups, begun } = heldGroups({ maxSize: 2 });
    const answers = ['a', 'b', 'c', 'd', 'e'].map((item) => groups.serve(item));
    await settle();
    await begun[0]?.end();
    await begun[1]?.end();
    await begun[2]?.end();
    expect(itemsOf(begun)).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    await Promise.all(answers);
  });

  test('two of the same key are never in one group, and keep their order', async () => {
    const { groups, begun } = heldGroups();
    const answers = ['a1', 'b1', 'a2', 'c1', 'a3'].map((item) => groups.serve(item));
    await settle();
    await begun[0]?.end();
    await begun[1]?.end();
    await begun[2]?.end();
    expect(itemsOf(begun)).toEqual([['a1', 'b1', 'c1'], ['a2'], ['a3']]);
    expect(await answers[4]).toBe('a3 together');
    await Promise.all(answers);
  });

  test('after a pause the next one is served at once again', async () => {
    const { groups, begun } = heldGroups();
    const first = groups.serve('a');
    await settle();
    await begun[0]?.end();
    await first;
    await settle();
    const second = groups.serve('b');
    await settle();
    expect(itemsOf(begun)).toEqual([['a'], ['b']]);
    await begun[1]?.end();
    await second;
  });
});

describe('one that cannot be served with the others', () => {
  test('an item without an answer is served alone, and no group waits for it', async () => {
    const slow = Promise.withResolvers<string>();
    const { groups, begun } = heldGroups({ alone: () => slow.promise });
    const [a, b] = [groups.serve('a'), groups.serve('b')];
    await settle();
    const c = groups.serve('c');
    await begun[0]?.end(['for a', undefined]);
    expect(await a).toBe('for a');
    await begun[1]?.end();
    expect(await c).toBe('c together');
    slow.resolve('b at last');
    expect(await b).toBe('b at last');
    expect(groups.sizes()).toMatchObject({ groups: 2, items: 3, alone: 1 });
  });

  test('each item of a group that failed is served alone, and only the one that fails again is rejected', async () => {
    const alone = (item: string): Promise<string> =>
      item === 'b' ? Promise.reject(new Error('b is broken')) : Promise.resolve(`${item} alone`);
    const { groups, begun } = heldGroups({ alone });
    const answers = Promise.allSettled(['a', 'b', 'c'].map((item) => groups.serve(item)));
    await settle();
    await begun[0]?.end(new Error('one of them is broken'));
    expect(await answers).toEqual([
      { status: 'fulfilled', value: 'a alone' },
      { status: 'rejected', reason: new Error('b is broken') },
      { status: 'fulfilled', value: 'c alone' },
    ]);
  });

  test('where trying alone is of no use, all items of the group fail, and the next group is served', async () => {
    const tried: string[] = [];
    const { groups, begun } = heldGroups({
      isWorthTryingAlone: () => false,
      alone: (item) => Promise.resolve(tried.push(item).toString()),
    });
    const answers = Promise.allSettled([groups.serve('a'), groups.serve('b')]);
    await settle();
    const next = groups.serve('c');
    await begun[0]?.end(new Error('no database'));
    const failed = { status: 'rejected', reason: new Error('no database') };
    expect(await answers).toEqual([failed, failed]);
    await begun[1]?.end();
    expect(await next).toBe('c together');
    expect(tried).toEqual([]);
  });
});

describe('one that is not served', () => {
  test('a client that left before its group began is not in it', async () => {
    const { groups, begun } = heldGroups();
    const client = new AbortController();
    const first = groups.serve('a');
    await settle();
    const left = groups.serve('b', client.signal);
    const stays = groups.serve('c', new AbortController().signal);
    client.abort();
    const refused = expect(left).rejects.toThrow(NotServed);
    await begun[0]?.end();
    expect(itemsOf(begun)).toEqual([['a'], ['c']]);
    await begun[1]?.end();
    expect(await Promise.all([first, stays])).toEqual(['a together', 'c together']);
    await refused;
  });

  test('where all that wait have left, no group begins', async () => {
    const { groups, begun } = heldGroups();
    await expect(groups.serve('a', AbortSignal.abort())).rejects.toThrow(NotServed);
    expect(begun).toEqual([]);
    const next = groups.serve('b');
    await settle();
    await begun[0]?.end();
    expect(await next).toBe('b together');
  });

  test('a client that leaves while its group is served changes nothing', async () => {
    const { groups, begun } = heldGroups();
    const client = new AbortController();
    const answer = groups.serve('a', client.signal);
    await settle();
    client.abort();
    await begun[0]?.end();
    expect(await answer).toBe('a together');
  });

  test('when too many wait, the next one is refused at once, and the others keep their place', async () => {
    const { groups, begun } = heldGroups({ maxWaiting: 2 });
    const answers = [groups.serve('a')];
    await settle();
    answers.push(groups.serve('b'), groups.serve('c'));
    await expect(groups.serve('d')).rejects.toThrow(NotServed);
    await begun[0]?.end();
    await begun[1]?.end();
    expect(await Promise.all(answers)).toEqual(['a together', 'b together', 'c together']);
  });
});
