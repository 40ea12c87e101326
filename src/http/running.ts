// The requests that are not over.

/** `place` is where it is among them. */
type Placed = { place: number };

export type Running<Item> = {
  readonly add: (item: Item) => void;
  /** To be called once for each that was added. */
  readonly delete: (item: Item) => void;
  readonly all: () => readonly Item[];
};

/**
 * No Set: it makes a new table after some deletions, and each old one keeps the next one and what was in it until a full collection.
 */
export function createRunning<Item extends Placed>(): Running<Item> {
  const items: Item[] = [];
  return {
    add: (item) => {
      item.place = items.push(item) - 1;
    },
    delete: ({ place }) => {
      const last = items.pop();
      if (last === undefined || last.place === place) return;
      items[place] = last;
      last.place = place;
    },
    all: () => [...items],
  };
}
