// The admin's pages, and logs.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { databaseProblem } from '../db/errors.ts';
import { readLogs, type StoredLogs } from '../db/logs.ts';
import { countVms, findStatus, listVms, type VmCounts } from '../db/vms.ts';
import { renderAdmin, type LabCounts } from '../pages/admin.ts';
import { renderInstanceLogs } from '../pages/instance-logs.ts';
import { renderInstances } from '../pages/instances.ts';
import type { Operations } from '../provision/operations.ts';
import { fleetLine } from '../pages/fleet.ts';
import { fleetView } from './fleet-view.ts';
import { runChecks, type HealthCheck } from './system.ts';
import { vmView, type Clock } from './views.ts';
import { lastModels, readWork, type WorkDependencies } from './work.ts';
import type { WorkModel } from '../pages/work.ts';
import { listLastDownloads } from '../db/downloads.ts';

export type AdminDependencies = WorkDependencies & {
  readonly db: Db;
  readonly operations: Operations;
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
      const [counts, work, results, line] = await Promise.all([
        orNull(async () => labCounts(await countVms(db))),
        orNull<WorkModel>(() => readWork(dependencies)),
        runChecks(checks),
        orNull(async () => fleetLine(await fleetView(dependencies, now()), now())),
      ]);
      const body = renderAdmin({ counts, checks: results, fleetLine: line, ...(work && { work }) });
      return { status: 200, type: 'text/html', body };
    },
    instancesPage: async () => {
      const { vms, total } = await listVms(db, {}, { limit: INSTANCES_SHOWN });
      const context = { now: now(), codeLifetimeMs };
      const lastDownloads = lastModels(await listLastDownloads(db));
      const body = renderInstances({
        vms: vms.map((vm) => vmView(vm, context)),
        total,
        now: context.now,
        lastDownloads,
      });
      return { status: 200, type: 'text/html', body };
    },
    instanceLogsPage: async ({ path: { hostname } }) => {
      const status = await findStatus(db, hostname);
      if (status === null) throw new ProblemError('vm_not_found');
      const stored = await readLogs(db, hostname);
      const body = renderInstanceLogs({
        hostname,
        status,
        logs: stored.lines.join('\n'),
        linesCut: stored.linesCut,
      });
      return { status: 200, type: 'text/html', body };
    },
    getVmLogs: async ({ path: { hostname } }) => {
      const status = await findStatus(db, hostname);
      if (status === null) return problem('vm_not_found');
      const stored = await readLogs(db, hostname);
      if (stored.lines.length === 0 && stored.linesCut === 0 && status === 'initializing')
        return problem('logs_not_yet');
      const body = {
        hostname,
        logs: logText(stored),
        lines: stored.lines.length,
        lines_cut: stored.linesCut,
      };
      return { status: 200, type: 'application/json', body };
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

function labCounts({ total, free, assigned, byStatus }: VmCounts): LabCounts {
  return { total, free, assigned, byStatus: Object.fromEntries(byStatus) };
}

/** What was cut is told where it is missing: at the beginning. */
function logText({ lines, linesCut }: StoredLogs): string {
  const cut = linesCut > 0 ? [`[${linesCut} earlier lines were dropped to stay within the limit]`] : [];
  return [...cut, ...lines].join('\n');
}
