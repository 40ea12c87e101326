// Which of the machines that exist is the one that a row is about: by the provider's own id, else by its address, else
// the first of the name. One hostname can have two machines after a bad day. Pure.
import type { MachineRow } from '../db/fleet.ts';
import type { ListedVm } from './provider.ts';

export type Matched = {
  /** By hostname of the row. */
  readonly machines: ReadonlyMap<string, ListedVm>;
  /** Machines that no row is about. */
  readonly orphans: readonly ListedVm[];
};

type Row = Pick<MachineRow, 'hostname' | 'providerId' | 'address'>;

export function matchMachines(rows: readonly Row[], listed: readonly ListedVm[]): Matched {
  const byName = Map.groupBy(listed, ({ hostname }) => hostname);
  const machines = new Map<string, ListedVm>();
  for (const row of rows) {
    const found = choose(row, byName.get(row.hostname) ?? []);
    if (found) machines.set(row.hostname, found);
  }
  const known = new Set(machines.values());
  return { machines, orphans: listed.filter((machine) => !known.has(machine)) };
}

function choose({ providerId, address }: Row, candidates: readonly ListedVm[]): ListedVm | undefined {
  return (
    candidates.find(({ id }) => id !== undefined && id === providerId) ??
    candidates.find(({ ssh }) => address !== null && ssh?.address === address) ??
    candidates[0]
  );
}
