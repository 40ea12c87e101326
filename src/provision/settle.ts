// Brings rows and machines together after a run, or after one that nobody ended: the provider is asked what exists.
// Rows of machines that are not there go, machines that nobody knows end; what somebody has is never taken from them.
import type { Db } from '../db/connect.ts';
import {
  listMachineRows,
  recordReach,
  removeGone,
  removeUnmade,
  restoreDestroying,
  setUnreachable,
  type MachineRow,
} from '../db/fleet.ts';
import type { ListedMachine, Provider, ProvisionEvent, ProvisionReport } from './provider.ts';

export type Settling = {
  readonly db: Db;
  readonly provider: Provider;
  readonly tell: (event: ProvisionEvent) => void;
  /** Gives up on ending machines that nobody knows. */
  readonly signal: AbortSignal;
};

export type Scope = {
  /** Whether a row is to be settled; those of another provider never are. */
  readonly row: (row: MachineRow) => boolean;
  /** Whether a machine without a row, made by this launch, is to be ended. */
  readonly stranger: (operationId: string) => boolean;
};

export type Settled = {
  /** Hostnames of rows whose machine exists. */
  readonly kept: readonly string[];
  /** Hostnames of rows whose machine does not exist. */
  readonly missing: readonly string[];
  /** Machines without a row that are there still, whoever made them. */
  readonly unknown: readonly string[];
};

/** Settles what is in scope. Throws where the provider cannot say what exists, or the database is away. */
export async function settle(settling: Settling, scope: Scope): Promise<Settled> {
  const { db, provider } = settling;
  const listed = await provider.list();
  const all = await listMachineRows(db);
  const exists = new Map(listed.map((machine) => [machine.hostname, machine]));
  // A machine that comes by itself exists whenever it says so; only a destroy that was not finished is undone.
  const comers = all.filter((row) => row.provider === 'external' && scope.row(row));
  const rows = all.filter(
    (row) => row.provider === provider.name && row.provider !== 'external' && scope.row(row),
  );
  const kept = rows.filter(({ hostname }) => exists.has(hostname));
  const missing = rows.filter(({ hostname }) => !exists.has(hostname));
  await restoreDestroying(db, namesOf([...comers, ...kept]));
  for (const { hostname } of kept) await recordReach(db, hostname, exists.get(hostname)?.reach ?? {});
  await removeMissing(settling, missing);
  const known = new Set(namesOf(all));
  const strangers = listed.filter(({ hostname }) => !known.has(hostname));
  const unknown = await endStrangers(settling, strangers, scope);
  return { kept: namesOf(kept), missing: namesOf(missing), unknown };
}

async function removeMissing({ db, tell }: Settling, missing: readonly MachineRow[]): Promise<void> {
  const taken = missing.filter(({ email, status }) => email !== null && status !== 'destroying');
  const free = missing.filter((row) => !taken.includes(row));
  const unmade = free.filter(({ status }) => status === 'initializing');
  const gone = free.filter((row) => !unmade.includes(row));
  await setUnreachable(db, namesOf(taken));
  await removeUnmade(db, namesOf(unmade));
  await removeGone(db, namesOf(gone));
  for (const { hostname } of taken)
    tell({
      level: 'warning',
      hostname,
      text: 'This machine does not exist any more; its participant needs another one.',
    });
  for (const { hostname } of unmade)
    tell({ level: 'warning', hostname, text: 'Was not made; its row was removed.' });
  for (const { hostname } of gone)
    tell({ level: 'info', hostname, text: 'Does not exist any more; its row was removed.' });
}

/** Returns those that stay. */
async function endStrangers(
  { db, provider, tell, signal }: Settling,
  strangers: readonly ListedMachine[],
  scope: Scope,
): Promise<string[]> {
  const ours = strangers.filter(({ operationId }) => operationId !== null && scope.stranger(operationId));
  const ended = new Set<string>();
  if (ours.length > 0) {
    const report: ProvisionReport = {
      event: tell,
      made: () => Promise.resolve(),
      failed: () => Promise.resolve(),
      gone: async (hostname) => {
        ended.add(hostname);
        tell({ level: 'warning', hostname, text: 'Was left over from an unfinished launch; it was ended.' });
        await removeGone(db, [hostname]);
      },
    };
    const result = await provider.destroy(namesOf(ours), report, signal, signal);
    if (!result.ok) tell({ level: 'error', text: `${result.problem} ${result.remedy}` });
  }
  return namesOf(strangers).filter((hostname) => !ended.has(hostname));
}

function namesOf(machines: readonly { readonly hostname: string }[]): string[] {
  return machines.map(({ hostname }) => hostname);
}
