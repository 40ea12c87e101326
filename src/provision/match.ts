// Which of the machines that exist is the one that a row is about: by the provider's own id, else by its address, else
// the first of the name. One hostname can have two machines after a bad day. Pure.
import type { MachineRow } from '../db/fleet.ts';
import type { ListedMachine } from './provider.ts';

export type Matched = {
  /** By hostname of the row. */
  readonly machines: ReadonlyMap<string, ListedMachine>;
  /** Machines that no row is about. */
  readonly orphans: readonly ListedMachine[];
};

type Row = Pick<MachineRow, 'hostname' | 'providerId' | 'address'>;

export function matchMachines(rows: readonly Row[], listed: readonly ListedMachine[]): Matched {
  const byName = Map.groupBy(listed, ({ hostname }) => hostname);
  const machines = new Map<string, ListedMachine>();
  for (const row of rows) {
    const found = choose(row, byName.get(row.hostname) ?? []);
    if (found) machines.set(row.hostname, found);
  }
  const known = new Set(machines.values());
  return { machines, orphans: listed.filter((machine) => !known.has(machine)) };
}

function choose(
  { providerId, address }: Row,
  candidates: readonly ListedMachine[],
): ListedMachine | undefined {
  return (
    candidates.find(({ id }) => id !== undefined && id === providerId) ??
    candidates.find(({ reach }) => address !== null && reach?.address === address) ??
    candidates[0]
  );
}
