// The overview: counts of VMs, the VMs that need attention, and the active operation.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { findActiveOperation } from '../db/operations.ts';
import { countVms, listVmsInQuestion } from '../db/vms.ts';
import { countUnreserved } from '../db/waiting-facts.ts';
import { countWaiting } from '../db/waiting-list.ts';
import { listSchedule, type ScheduleEntry } from '../db/schedule.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { byUrgency, manyByOne } from '../vms/attention.ts';
import { statusesThatAre } from '../vms/lifecycle.ts';
import { isAssigned } from '../vms/status.ts';
import { missingMachines } from '../vms/waiting.ts';
import { scheduledView } from './schedule.ts';
import { operationView, attentionView, viewContext, type ViewDependencies } from './views.ts';

type Overview = components['schemas']['Overview'];
type OverviewDependencies = ViewDependencies & {
  readonly db: Db;
  readonly operations: Pick<OperationService, 'orphans'>;
};

const ATTENTION_LISTED = 100;

export async function readOverview(dependencies: OverviewDependencies): Promise<Overview> {
  const { db } = dependencies;
  const [counts, vms, operation, waiting, unreserved, schedule] = await Promise.all([
    countVms(db),
    listVmsInQuestion(db),
    findActiveOperation(db),
    countWaiting(db),
    countUnreserved(db),
    listSchedule(db),
  ]);
  const context = viewContext(dependencies);
  const ofBrowsers = manyByOne(vms).map((entry) => ({ ...entry, since: entry.since.toISOString() }));
  const attention = [...vms.flatMap((vm) => attentionView(vm, context) ?? []), ...ofBrowsers].sort(byUrgency);
  const of = (status: Parameters<typeof counts.byStatus.get>[0]): number => counts.byStatus.get(status) ?? 0;
  return {
    total: counts.total,
    free: unreserved,
    // Two statements: a reservation may begin or end between them.
    reserved: Math.max(0, counts.free - unreserved),
    assigned: vms.filter(isAssigned).length,
    in_use: counts.inUse,
    starting: of('initializing'),
    failed: statusesThatAre('failed').reduce((total, status) => total + of(status), 0),
    by_status: Object.fromEntries(counts.byStatus),
    attention: attention.slice(0, ATTENTION_LISTED),
    attention_total: attention.length,
    unmatched: dependencies.operations.orphans.seen().items.filter(({ kind }) => kind === 'vm').length,
    operation: operation && operationView(operation),
    scheduled: ofInterest(schedule).map(scheduledView),
    waiting,
    missing: missingMachines({
      waiting,
      free: unreserved,
      starting: of('initializing'),
      resetting: of('recycling'),
    }),
  };
}

/** The next entry, and those that are not as planned. */
function ofInterest(schedule: readonly ScheduleEntry[]): readonly ScheduleEntry[] {
  const next = schedule.find(({ state, problem }) => state === 'pending' && problem === null);
  return schedule.filter(
    (entry) =>
      entry === next ||
      ['running', 'missed'].includes(entry.state) ||
      (entry.state === 'pending' && entry.problem !== null),
  );
}
