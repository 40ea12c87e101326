// Statements that serve several callers at once. Each commit with NOTIFY holds one lock of the server through its fsync, so
// that a crowd with a commit each would wait in line; a group is one commit.
import { setTimeout as delay } from 'node:timers/promises';
import { createGroups, type GroupOptions, type Groups, type GroupSizes } from '../async/groups.ts';
import type { Db } from './connect.ts';
import { isOfOneRow } from './errors.ts';

/** While many VMs report, a statement of each kind begins so often at most: no person waits for it. */
const REST_MS = 50;
/** What VMs report: the most in one statement, and how many wait at most: a report of each VM that a process serves. */
export const ofReports = { maxSize: 200, maxWaiting: 20_000, rest: () => delay(REST_MS) } as const;

/** To be joined, in a statement of a group, to what it was given: where it has to wait for a lock after all, it fails soon. */
export const BOUNDED = `, (select set_config('lock_timeout', '500ms', true)) as bounded`;

type GroupedStatement<Item, Answer> = {
  /** Shown by the health check. */
  readonly name: string;
  /**
   * Must not wait for locks that others may hold for long: everybody behind the group would wait too. An item whose row is locked
   * is answered `undefined`, and served alone.
   */
  readonly together: (db: Db, items: readonly Item[]) => Promise<readonly (Answer | undefined)[]>;
  readonly alone: (db: Db, item: Item) => Promise<Answer>;
} & Pick<GroupOptions<Item, Answer>, 'keyOf' | 'maxSize' | 'maxWaiting' | 'rest' | 'inHalves'>;

type NamedGroupSizes = GroupSizes & { readonly name: string };

/** The groups belong to the pool, like its connections. */
const sizesOfPool = new WeakMap<Db, (() => NamedGroupSizes)[]>();

/** The sizes of the groups of these pools so far; those of one name together. */
export function readGroupSizes(dbs: readonly Db[]): NamedGroupSizes[] {
  const all = [...new Set(dbs)].flatMap((db) => (sizesOfPool.get(db) ?? []).map((sizes) => sizes()));
  return [...Map.groupBy(all, ({ name }) => name)].map(([name, these]) => {
    const sum = (value: (sizes: GroupSizes) => number): number =>
      these.reduce((total, sizes) => total + value(sizes), 0);
    return {
      name,
      groups: sum(({ groups }) => groups),
      items: sum(({ items }) => items),
      largest: Math.max(...these.map(({ largest }) => largest)),
      alone: sum(({ alone }) => alone),
      waiting: sum(({ waiting }) => waiting),
    };
  });
}

/** Adds groups that use this pool to what the health check shows. */
export function showGroupSizes(db: Db, name: string, sizes: () => GroupSizes): void {
  sizesOfPool.set(db, [...(sizesOfPool.get(db) ?? []), () => ({ name, ...sizes() })]);
}

/** The function that serves one item, together with what others ask of the same pool meanwhile. In a transaction, it is served alone. */
export function grouped<Item, Answer>(
  statement: GroupedStatement<Item, Answer>,
): (db: Db, item: Item, signal?: AbortSignal) => Promise<Answer> {
  const groupsOfPool = new WeakMap<Db, Groups<Item, Answer>>();

  function open(db: Db): Groups<Item, Answer> {
    const groups = createGroups<Item, Answer>({
      ...statement,
      together: (items) => statement.together(db, items),
      alone: (item) => statement.alone(db, item),
      isWorthTryingAlone: isOfOneRow,
    });
    groupsOfPool.set(db, groups);
    showGroupSizes(db, statement.name, groups.sizes);
    return groups;
  }

  return (db, item, signal) =>
    db.isTransaction ? statement.alone(db, item) : (groupsOfPool.get(db) ?? open(db)).serve(item, signal);
}
