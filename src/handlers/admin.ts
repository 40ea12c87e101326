// The pages of admins.
import type { HandlersOf } from '../contract/handlers.ts';
import { viewerOf } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import { databaseProblem } from '../db/errors.ts';
import { renderAdmin } from '../pages/admin.ts';
import { fleetLine } from '../pages/fleet.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { WorkModel } from '../pages/work.ts';
import { fleetView } from './fleet-view.ts';
import { instancesPage } from './instances-page.ts';
import { readOverview } from './overview.ts';
import { settingsView, type SettingsDependencies } from './settings.ts';
import { vmPage, type VmPageDependencies } from './vm-page.ts';
import { json, page } from './replies.ts';
import { runChecks, type HealthCheck } from './system.ts';
import { readWork, type WorkDependencies } from './unsaved-work.ts';
import { describeFailure } from '../result.ts';

export type AdminDependencies = VmPageDependencies &
  WorkDependencies &
  SettingsDependencies & {
    readonly db: Db;
    readonly checks: readonly HealthCheck[];
    readonly operations: OperationService;
  };

export function createAdminHandlers(dependencies: AdminDependencies): HandlersOf<'admin'> {
  const { checks, operations } = dependencies;
  return {
    adminPage: async ({ caller }) => {
      const now = dependencies.now();
      const [lab, work, line, share, ready, results] = await Promise.all([
        orNull(() => readOverview(dependencies)),
        orNull<WorkModel>(() => readWork(dependencies)),
        orNull(async () => fleetLine(await fleetView(dependencies, now), now)),
        orNull(async () => settingsView(dependencies, await dependencies.settings.read())),
        operations.readiness(),
        runChecks(checks),
      ]);
      const provisioning = ready.ok
        ? { name: 'provisioning', ok: true }
        : { name: 'provisioning', ok: false, detail: describeFailure(ready.failure) };
      return page(
        renderAdmin({
          lab,
          checks: [...results, provisioning],
          launches: operations.provider.creates,
          fleetLine: line,
          share,
          ...(work && { work }),
          now,
          site: dependencies.site,
          viewer: viewerOf(caller),
        }),
      );
    },
    getOverview: async () => json(await readOverview(dependencies)),
    instancesPage: async ({ query, caller }) =>
      page(await instancesPage(dependencies, query, viewerOf(caller))),
    vmPage: async ({ path, query, caller }) => {
      const notice = { viewer: viewerOf(caller), done: query.done ?? null, error: null };
      return page(await vmPage(dependencies, path.hostname, notice));
    },
  };
}

/** Null during an outage of the database: the page is shown all the same, with the outage among the checks. */
async function orNull<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (databaseProblem(error)) return null;
    throw error;
  }
}
