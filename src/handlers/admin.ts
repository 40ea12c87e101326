// The admin's first pages.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { databaseProblem } from '../db/errors.ts';
import { countVms, listVms, type VmCounts } from '../db/vms.ts';
import { renderAdmin, type LabCounts } from '../pages/admin.ts';
import { renderInstances } from '../pages/instances.ts';
import { runChecks, type HealthCheck } from './system.ts';
import { vmView, type Clock } from './views.ts';

export type AdminDependencies = {
  readonly db: Db;
  readonly now: Clock;
  readonly codeLifetimeMs: number;
  readonly checks: readonly HealthCheck[];
};

/** The page shows so many machines; the rest is behind /api/v1/vms. */
const INSTANCES_SHOWN = 1_000;

export function createAdminHandlers(dependencies: AdminDependencies): HandlersOf<'admin'> {
  const { db, now, codeLifetimeMs, checks } = dependencies;
  return {
    adminPage: async () => {
      const [counts, results] = await Promise.all([countsOrNull(db), runChecks(checks)]);
      return { status: 200, type: 'text/html', body: renderAdmin({ counts, checks: results }) };
    },
    instancesPage: async () => {
      const { vms, total } = await listVms(db, {}, { limit: INSTANCES_SHOWN });
      const context = { now: now(), codeLifetimeMs };
      const body = renderInstances({ vms: vms.map((vm) => vmView(vm, context)), total, now: context.now });
      return { status: 200, type: 'text/html', body };
    },
    downloadData: () => notServedYet("Downloading everybody's files"),
  };
}

/** An outage shows in the checks; the page comes all the same. */
async function countsOrNull(db: Db): Promise<LabCounts | null> {
  try {
    return labCounts(await countVms(db));
  } catch (error) {
    if (databaseProblem(error)) return null;
    throw error;
  }
}

function labCounts({ total, free, assigned, byStatus }: VmCounts): LabCounts {
  return { total, free, assigned, byStatus: Object.fromEntries(byStatus) };
}

function notServedYet(what: string): never {
  throw new ProblemError('not_implemented', {
    detail: `${what} is part of the contract, but is not served yet.`,
  });
}
