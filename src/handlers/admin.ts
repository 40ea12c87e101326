// The admin's first pages.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { databaseProblem } from '../db/errors.ts';
import { renderAdmin } from '../pages/admin.ts';
import { fleetLine } from '../pages/fleet.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { WorkModel } from '../pages/work.ts';
import { fleetView } from './fleet-view.ts';
import { instancesPage } from './instances-page.ts';
import { overviewOrNull, readOverview } from './overview.ts';
import { vmPage, type VmPageDependencies } from './vm-page.ts';
import { runChecks, type HealthCheck } from './system.ts';
import { readWork, type WorkDependencies } from './work.ts';
import { describeFailure } from '../result.ts';

export type AdminDependencies = VmPageDependencies &
  WorkDependencies & {
    readonly db: Db;
    readonly checks: readonly HealthCheck[];
    readonly operations: OperationService;
  };

export function createAdminHandlers(dependencies: AdminDependencies): HandlersOf<'admin'> {
  const { checks, operations } = dependencies;
  return {
    adminPage: async () => {
      const now = dependencies.now();
      const [lab, work, line, ready, results] = await Promise.all([
        overviewOrNull(dependencies),
        orNull<WorkModel>(() => readWork(dependencies)),
        orNull(async () => fleetLine(await fleetView(dependencies, now), now)),
        operations.readiness(),
        runChecks(checks),
      ]);
      const provisioning = ready.ok
        ? { name: 'provisioning', ok: true }
        : { name: 'provisioning', ok: false, detail: describeFailure(ready.failure) };
      const body = renderAdmin({
        lab,
        checks: [...results, provisioning],
        launches: operations.providerName !== 'external',
        fleetLine: line,
        ...(work && { work }),
        now,
      });
      return { status: 200, type: 'text/html', body };
    },
    getOverview: async () => ({
      status: 200,
      type: 'application/json',
      body: await readOverview(dependencies),
    }),
    instancesPage: async ({ query }) => {
      const body = await instancesPage(dependencies, query);
      return { status: 200, type: 'text/html', body };
    },
    vmPage: async ({ path, query }) => {
      const body = await vmPage(dependencies, path.hostname, { done: query.done ?? null, error: null });
      if (body === null) throw new ProblemError('vm_not_found');
      return { status: 200, type: 'text/html', body };
    },
  };
}

/** An outage shows in the checks; the page comes all the same. */
async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (databaseProblem(error)) return null;
    throw error;
  }
}
