// The machines that a destroy of all affects, and which of them can hold work.
import type { Db } from '../db/connect.ts';
import { listVmRows, listWithUnknownPast } from '../db/vm-rows.ts';
import { fateOf, isOwn } from '../provision/providers.ts';
import type { Provider } from '../vms/status.ts';
import type { PlannedMachine } from './work.ts';

/** @param own the provider of this server */
export async function listPlannedMachines(db: Db, own: Provider): Promise<PlannedMachine[]> {
  const [rows, unknown] = await Promise.all([listVmRows(db), listWithUnknownPast(db)]);
  return rows
    .filter((row) => fateOf(row, own) !== 'stays')
    .map((row) => ({
      hostname: row.hostname,
      assignmentId: row.assignmentId,
      mayHoldWork: row.wasAssigned || unknown.has(row.hostname),
      isOwn: isOwn(row, own),
    }));
}
