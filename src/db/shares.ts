// The connections of a process, divided: a part that asks for too much waits for connections of its own, and takes none from the
// others. What the shares are is in docs/operations.md.
import { connectDatabase, readPoolUse, type DatabaseOptions, type Db, type PoolUse } from './connect.ts';

export type Shares = {
  readonly people: Db;
  readonly machines: Db;
  /** Admins, health, and what the process does by itself. */
  readonly others: Db;
};

export type ShareSizes = { readonly [Share in keyof Shares]: number };

/** Parts of ten; the others have the rest. */
const PEOPLE = 4;
const MACHINES = 3;
const WHOLE = 10;

/** How many connections each share has; at least one. */
export function shareSizes(poolSize: number): ShareSizes {
  const partOf = (parts: number): number => Math.max(1, Math.floor((poolSize * parts) / WHOLE));
  const [people, machines] = [partOf(PEOPLE), partOf(MACHINES)];
  return { people, machines, others: Math.max(1, poolSize - people - machines) };
}

/** Too few connections to be divided are shared by all. `close` closes them all. */
export function connectShares(options: DatabaseOptions): Shares & { readonly close: () => Promise<void> } {
  const sizes = shareSizes(options.poolSize);
  const isDivided = sizes.people + sizes.machines + sizes.others <= options.poolSize;
  const others = connectDatabase({ ...options, poolSize: isDivided ? sizes.others : options.poolSize });
  const open = (poolSize: number): Db => (isDivided ? connectDatabase({ ...options, poolSize }) : others);
  const shares = { people: open(sizes.people), machines: open(sizes.machines), others };
  return {
    ...shares,
    close: async () => {
      await Promise.all([...new Set(Object.values(shares))].map((db) => db.destroy()));
    },
  };
}

/** How the connections of all shares are used. */
export function readSharesUse(shares: Shares): PoolUse {
  const uses = [...new Set(Object.values(shares))].flatMap((db) => readPoolUse(db) ?? []);
  const sum = (value: (use: PoolUse) => number): number => uses.reduce((total, use) => total + value(use), 0);
  return {
    open: sum(({ open }) => open),
    idle: sum(({ idle }) => idle),
    waiting: sum(({ waiting }) => waiting),
    most: sum(({ most }) => most),
  };
}
