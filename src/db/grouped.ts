// Statements that serve several callers at once. Each commit with NOTIFY holds one lock of the server through its fsync, so
// that a crowd with a commit each would wait in line; a group is one commit.
import { createGroups, type GroupOptions, type Groups, type GroupSizes } from '../async/groups.ts';
import type { Db } from './connect.ts';
import { isOfOneRow } from './errors.ts';

type GroupedStatement<Item, Answer> = {
  /** Shown by the health check. */
  readonly name: string;
  /**
   * Must not wait for locks that others may hold for long: everybody behind the group would wait too. An item whose row is locked
   * is answered `undefined`, and served alone.
   */
  readonly together: (db: Db, items: readonly Item[]) => Promise<readonly (Answer | undefined)[]>;
  readonly alone: (db: Db, item: Item) => Promise<Answer>;
} & Pick<GroupOptions<Item, Answer>, 'keyOf' | 'maxSize' | 'maxWaiting'>;

type NamedGroupSizes = GroupSizes & { readonly name: string };

/** The groups belong to the pool, like its connections. */
const sizesOfPool = new WeakMap<Db, (() => NamedGroupSizes)[]>();

/** The sizes of the groups of this pool so far. */
export function readGroupSizes(db: Db): NamedGroupSizes[] {
  return (sizesOfPool.get(db) ?? []).map((sizes) => sizes());
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
    const sizes = () => ({ name: statement.name, ...groups.sizes() });
    sizesOfPool.set(db, [...(sizesOfPool.get(db) ?? []), sizes]);
    return groups;
  }

  return (db, item, signal) =>
    db.isTransaction ? statement.alone(db, item) : (groupsOfPool.get(db) ?? open(db)).serve(item, signal);
}
