// The admin's first page: the state of the lab at a glance, and the ways from there.
import type { components } from '../contract/openapi.gen.ts';
import { vmStatuses, type VmStatus } from '../vms/status.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { workView, type WorkModel } from './work.ts';

export type LabCounts = {
  readonly total: number;
  /** Running and not assigned. */
  readonly free: number;
  readonly assigned: number;
  /** A status that no machine has may be left out. */
  readonly byStatus: Readonly<Partial<Record<VmStatus, number>>>;
};

export type AdminModel = {
  /** End and cost of the launched machines in a sentence; null where there is none, or it is not known. */
  readonly fleetLine?: string | null;
  /** Null where they are not known (the database is away). */
  readonly counts: LabCounts | null;
  readonly checks: components['schemas']['Health']['checks'];
  /** Absent where it is not known (the database is away). */
  readonly work?: WorkModel;
};

/** The overview page. */
export function renderAdmin(model: AdminModel): string {
  return render('admin', {
    ...layoutView({ title: words.admin.title, area: 'admin', current: '/admin', modules: ['downloads.js'] }),
    fleetLine: model.fleetLine ?? null,
    work: model.work ? workView(model.work) : null,
    counts: model.counts && countsView(model.counts),
    checks: model.checks.map(({ name, ok, detail }) => ({ name, ok, detail: detail ?? null })),
  });
}

function countsView({ total, free, assigned, byStatus }: LabCounts): View {
  return {
    figures: [
      { label: words.admin.total, count: total },
      { label: words.admin.free, count: free },
      { label: words.admin.assigned, count: assigned },
    ],
    statuses: vmStatuses.map((status) => ({
      status,
      label: words.vmStatus[status],
      count: byStatus[status] ?? 0,
    })),
  };
}
