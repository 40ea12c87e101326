// Statuses of VMs, for dashboards.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { findStatus, listStatuses } from '../db/vms.ts';
import { json } from './replies.ts';

export function createStatusHandlers({ db }: { readonly db: Db }): HandlersOf<'status'> {
  return {
    listVmStatuses: async () => {
      const statuses = await listStatuses(db);
      if (statuses.size === 0) return problem('no_vms');
      return json(Object.fromEntries(statuses));
    },
    getVmStatus: async ({ path }) => {
      const status = await findStatus(db, path.hostname);
      if (status === null) return problem('vm_not_found');
      return json({ hostname: path.hostname, status });
    },
  };
}
