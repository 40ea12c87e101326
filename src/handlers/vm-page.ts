// The page of one machine, with what it needs of the database.
import { findLastDownload } from '../db/downloads.ts';
import { readTimeline } from '../db/vm-timeline.ts';
import { findVm, countFree, findLaunchOf } from '../db/vms.ts';
import type { Db } from '../db/connect.ts';
import { renderVm } from '../pages/vm.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { ActionName } from './redirect-to-vm.ts';
import { timelineEntryView, viewContext, vmView, type ViewDependencies } from './views.ts';
import { lastModel } from './work.ts';

export type VmPageDependencies = ViewDependencies & {
  readonly db: Db;
  readonly operations: Pick<OperationService, 'restart' | 'providerName'>;
};

/** As it is now, with what was done or why it was not; null where there is no such machine. */
export async function vmPage(
  dependencies: VmPageDependencies,
  hostname: string,
  said: { readonly done: ActionName | null; readonly error: string | null },
): Promise<string | null> {
  const { db, operations } = dependencies;
  const record = await findVm(db, hostname);
  if (!record) return null;
  const context = viewContext(dependencies);
  const browserAllowedUntil = record.assignment?.browserAllowedUntil ?? null;
  return renderVm({
    vm: vmView(record, context),
    timeline: (await readTimeline(db, hostname)).map(timelineEntryView),
    launchId: await findLaunchOf(db, hostname),
    browserAllowedUntil:
      browserAllowedUntil !== null && browserAllowedUntil > context.now
        ? browserAllowedUntil.toISOString()
        : null,
    freeCount: await countFree(db),
    canRestart: operations.restart !== null && record.provider === operations.providerName,
    lastDownload: lastModel(await findLastDownload(db, hostname)),
    ...said,
    now: context.now,
  });
}
