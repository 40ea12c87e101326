// Brings rows and machines together after a run, or after one that nobody ended: the provider is asked what exists.
// Rows of machines that are not there go, machines that nobody knows end; what somebody has is never taken from them.
import type { Db } from '../db/connect.ts';
import {
  listMachineRows,
  recordProviderId,
  recordReach,
  removeGone,
  removeUnmade,
  restoreDestroying,
  setUnreachable,
  type MachineRow,
} from '../db/fleet.ts';
import { recordCreated } from '../db/vm-hours.ts';
import { matchMachines } from './match.ts';
import type { ListedVm, Provider, ProvisionEvent, ProvisionReport } from './provider.ts';

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
  readonly orphan: (operationId: string) => boolean;
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
  // A machine that comes by itself exists whenever it says so; only a destroy that was not finished is undone.
  const comers = all.filter((row) => row.provider === 'external' && scope.row(row));
  const rows = all.filter(
    (row) => row.provider === provider.name && row.provider !== 'external' && scope.row(row),
  );
  const { machines: exists, orphans } = matchMachines(all, listed);
  const kept = rows.filter(({ hostname }) => exists.has(hostname));
  const missing = rows.filter(({ hostname }) => !exists.has(hostname));
  await restoreDestroying(db, namesOf([...comers, ...kept]));
  for (const row of kept) await recordExisting(settling, row, exists.get(row.hostname));
  await removeMissing(settling, missing);
  const unknown = await endOrphans(settling, { orphans, rows: all }, scope);
  return { kept: namesOf(kept), missing: namesOf(missing), unknown };
}

async function recordExisting(
  { db }: Settling,
  { hostname, operationId, provider }: MachineRow,
  machine: ListedVm | undefined,
): Promise<void> {
  if (machine === undefined) return;
  const { ssh = {}, id, instanceType = null, createdAt: createdAt } = machine;
  await recordReach(db, hostname, ssh);
  await recordProviderId(db, hostname, id);
  await recordCreated(db, { hostname, operationId, provider, instanceType, createdAt });
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

type Found = { readonly orphans: readonly ListedVm[]; readonly rows: readonly MachineRow[] };

/** Ends those that may be ended by themselves. Returns those that stay. */
async function endOrphans(settling: Settling, { orphans, rows }: Found, scope: Scope): Promise<string[]> {
  const byName = new Map(rows.map((row) => [row.hostname, row]));
  const ours = orphans.filter(({ hostname, operationId }) => {
    if (operationId === null || !scope.orphan(operationId)) return false;
    // Of two machines of one name, which one somebody has is known by the provider's id alone.
    const namesake = byName.get(hostname);
    return namesake === undefined || namesake.email === null || namesake.providerId !== null;
  });
  const { provider } = settling;
  const byId = ours.filter(({ id }) => id !== undefined && provider.terminate !== undefined);
  const byHostname = ours.filter((machine) => !byId.includes(machine) && !byName.has(machine.hostname));
  const ended = new Set([...(await endById(settling, byId)), ...(await endByName(settling, byHostname))]);
  return namesOf(orphans.filter((machine) => !ended.has(machine)));
}

const LEFT_OVER = 'Was left over from an unfinished launch; it was ended.';

async function endById(
  { provider, tell, signal }: Settling,
  machines: readonly ListedVm[],
): Promise<readonly ListedVm[]> {
  const ids = machines.flatMap(({ id }) => (id === undefined ? [] : [id]));
  if (ids.length === 0 || !provider.terminate) return [];
  const result = await provider.terminate(ids, signal);
  if (!result.ok) {
    tell({ level: 'error', text: `${result.failure.message} ${result.failure.remedy}` });
    return [];
  }
  for (const { hostname, id } of machines)
    tell({ level: 'warning', hostname, text: `${LEFT_OVER} (${String(id)})` });
  return machines;
}

async function endByName(
  { db, provider, tell, signal }: Settling,
  machines: readonly ListedVm[],
): Promise<readonly ListedVm[]> {
  if (machines.length === 0) return [];
  const ended = new Set<string>();
  const report: ProvisionReport = {
    event: tell,
    created: () => Promise.resolve(),
    failed: () => Promise.resolve(),
    gone: async (hostname) => {
      ended.add(hostname);
      tell({ level: 'warning', hostname, text: LEFT_OVER });
      await removeGone(db, [hostname]);
    },
  };
  const result = await provider.destroy(namesOf(machines), report, signal, signal);
  if (!result.ok) tell({ level: 'error', text: `${result.failure.message} ${result.failure.remedy}` });
  return machines.filter(({ hostname }) => ended.has(hostname));
}

function namesOf(machines: readonly { readonly hostname: string }[]): string[] {
  return machines.map(({ hostname }) => hostname);
}
