// Serves together what comes while the previous group is being served. What comes alone is served at once, unless
// a group rests.
// Knows nothing of what is served; docs/adr/0017-groups.md says why it is our own.

export type GroupOptions<Item, Answer> = {
  /** Items with the same key are never in one group; the later one waits for the next. Absent: no two are the same. */
  readonly keyOf?: ((item: Item) => string) | undefined;
  readonly maxSize: number;
  /** How many wait at most; more are refused. */
  readonly maxWaiting: number;
  /**
   * Begins when a group of several begins, and the next group does not begin before it ends: it is the larger. For senders that can
   * wait, so that many of them leave time for others. Absent: the next one begins at once.
   */
  readonly rest?: () => Promise<unknown>;
  /**
   * A group takes at most half of those who wait and of those whom the group before is about to answer. The same clients soon come
   * again: so one half is served while the other is answered and read, and no group of nearly all leaves nothing for the next one.
   */
  readonly inHalves?: boolean;
  /** The answers, in the order of the items. `undefined`: this item has to be served alone. Only one group at a time. */
  readonly together: (items: readonly Item[]) => Promise<readonly (Answer | undefined)[]>;
  /** Serves an item that its group could not serve. Groups do not wait for it. */
  readonly alone: (item: Item) => Promise<Answer>;
  /** Whether the items of a group that failed with this error are served alone. If not, all of them fail with it. */
  readonly isWorthTryingAlone: (error: unknown) => boolean;
};

export type GroupSizes = {
  readonly groups: number;
  /** Items in all groups. */
  readonly items: number;
  /** Items in the largest group. */
  readonly largest: number;
  /** Items that were served alone after their group. */
  readonly alone: number;
  /** Items that wait now. */
  readonly waiting: number;
};

export type Groups<Item, Answer> = {
  /**
   * Serves an item, in the order in which items come. Rejects with `NotServed` if too many wait, or if the signal was aborted
   * before its group began: then nothing has been done. Later the signal has no effect.
   */
  readonly serve: (item: Item, signal?: AbortSignal) => Promise<Answer>;
  readonly sizes: () => GroupSizes;
};

/** Nothing has been done for this item. */
export class NotServed extends Error {
  constructor(reason: 'full' | 'left') {
    super(reason === 'full' ? 'Too many wait to be served.' : 'The client left before it was served.');
    this.name = 'NotServed';
  }
}

type Waiting<Item, Answer> = {
  readonly item: Item;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: Answer | Promise<Answer>) => void;
  readonly reject: (error: unknown) => void;
};

/** When what has arrived on all connections in this moment has been read. No timer. */
const afterWhatArrived = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** `answer` answers those of the group that need not be served alone. */
type Served = { readonly size: number; readonly answer: () => void; readonly isWhole: boolean };

const NOBODY: Served = { size: 0, answer: () => undefined, isWhole: true };

function rejectWith<Item, Answer>(error: unknown): (waiting: Waiting<Item, Answer>) => void {
  return ({ reject }) => reject(error);
}

function servedGroup<Item, Answer>(
  group: readonly Waiting<Item, Answer>[],
  answers: readonly (Answer | undefined)[],
  isWhole: boolean,
): Served {
  const answerAll = (): void =>
    group.forEach(({ resolve }, index) => {
      const answer = answers[index];
      if (answer !== undefined) resolve(answer);
    });
  return { size: group.length, answer: answerAll, isWhole };
}

export function createGroups<Item, Answer>(options: GroupOptions<Item, Answer>): Groups<Item, Answer> {
  let queue: Waiting<Item, Answer>[] = [];
  let isServing = false;
  let rest: Promise<unknown> | null = null;
  const counts = { groups: 0, items: 0, largest: 0, alone: 0 };

  function serveAlone({ item, resolve }: Waiting<Item, Answer>): void {
    counts.alone += 1;
    resolve(options.alone(item));
  }

  async function serveGroup(group: readonly Waiting<Item, Answer>[]): Promise<Served> {
    counts.groups += 1;
    counts.items += group.length;
    counts.largest = Math.max(counts.largest, group.length);
    try {
      const answers = await options.together(group.map(({ item }) => item));
      // Before the next group: they came before it.
      const unserved = group.filter((_, index) => answers[index] === undefined);
      unserved.forEach(serveAlone);
      return servedGroup(group, answers, unserved.length === 0);
    } catch (error) {
      group.forEach(options.isWorthTryingAlone(error) ? serveAlone : rejectWith(error));
      return { ...NOBODY, isWhole: false };
    }
  }

  function begin(answering: number): Promise<Served> {
    const { group, left, later } = nextGroup(queue, options, answering);
    queue = later;
    for (const { reject } of left) reject(new NotServed('left'));
    if (group.length > 1 && options.rest) rest = options.rest();
    return group.length > 0 ? serveGroup(group) : Promise.resolve(NOBODY);
  }

  async function serveAll(): Promise<void> {
    isServing = true;
    while (queue.length > 0) {
      if (rest !== null) await rest;
      // What has arrived already is read first: the busier the process, the larger are the groups. Alone, nobody waits.
      await afterWhatArrived();
      for (let running: Promise<Served> | null = begin(0); running !== null;) {
        const { size, answer, isWhole }: Served = await running;
        running = null;
        // The next statement is sent first: it runs while these are answered. Where groups rest, nobody waits for an answer.
        if (queue.length > 0 && isWhole && rest === null) {
          await afterWhatArrived();
          running = begin(size);
          await afterWhatArrived();
        }
        answer();
      }
    }
    isServing = false;
  }

  return {
    serve: (item, signal) =>
      new Promise((resolve, reject) => {
        if (queue.length >= options.maxWaiting) reject(new NotServed('full'));
        else {
          queue.push({ item, signal, resolve, reject });
          if (!isServing) void serveAll();
        }
      }),
    sizes: () => ({ ...counts, waiting: queue.length }),
  };
}

/**
 * The first of the queue without two of one key, those who left, and the rest in its order.
 * @param answering how many the group before is about to answer
 */
function nextGroup<Item, Answer>(
  queue: readonly Waiting<Item, Answer>[],
  { keyOf, maxSize, inHalves = false }: GroupOptions<Item, Answer>,
  answering: number,
) {
  const most = inHalves ? Math.min(maxSize, Math.ceil((queue.length + answering) / 2)) : maxSize;
  const keys = new Set<string>();
  const isTaken = (item: Item): boolean => {
    if (keyOf === undefined) return false;
    const key = keyOf(item);
    if (keys.has(key)) return true;
    keys.add(key);
    return false;
  };
  const group: Waiting<Item, Answer>[] = [];
  const left: Waiting<Item, Answer>[] = [];
  const later: Waiting<Item, Answer>[] = [];
  for (const waiting of queue) {
    if (waiting.signal?.aborted === true) left.push(waiting);
    else if (group.length === most || isTaken(waiting.item)) later.push(waiting);
    else group.push(waiting);
  }
  return { group, left, later };
}
