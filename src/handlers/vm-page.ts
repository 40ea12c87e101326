// The page of one VM, and what it reads from the database.
import { definitionOf, isOwn } from '../provision/providers.ts';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError, type ProblemCode, type ProblemReply } from '../contract/problems.ts';
import { viewerOf, type Viewer } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import { findLastDownload } from '../db/downloads.ts';
import { readTimeline } from '../db/vm-timeline.ts';
import { countFree, findLaunchOf, findVm, type VmRecord } from '../db/vms.ts';
import { renderVm } from '../pages/vm.ts';
import type { OperationService } from '../provision/operation-service.ts';
import type { ActionName } from './redirect-to-vm.ts';
import { timelineEntryView, viewContext, vmView, type ViewDependencies } from './views.ts';
import { lastModel } from './unsaved-work.ts';

export type VmPageDependencies = ViewDependencies & {
  readonly db: Db;
  readonly operations: Pick<OperationService, 'restart' | 'provider'>;
};

/** One VM. Throws `vm_not_found`. */
export async function existingVm(db: Db, hostname: string): Promise<VmRecord> {
  const vm = await findVm(db, hostname);
  if (!vm) throw new ProblemError('vm_not_found');
  return vm;
}

/** The page, with the last action or with an error. Throws `vm_not_found`. */
export async function vmPage(
  dependencies: VmPageDependencies,
  hostname: string,
  notice: {
    readonly viewer: Viewer | null;
    readonly done: ActionName | null;
    readonly error: string | null;
    readonly token?: string;
  },
): Promise<string> {
  const { db, operations } = dependencies;
  const record = await existingVm(db, hostname);
  const context = viewContext(dependencies);
  const allowedUntil = record.assignment?.browserAllowedUntil ?? null;
  const isAllowed = allowedUntil !== null && allowedUntil > context.now;
  return renderVm({
    vm: vmView(record, context),
    timeline: (await readTimeline(db, hostname)).map(timelineEntryView),
    launchId: await findLaunchOf(db, hostname),
    access: record.assignment && {
      browsers: record.assignment.browsers.length,
      requestedFrom: record.assignment.requestedFrom,
    },
    browserAllowedUntil: isAllowed ? allowedUntil.toISOString() : null,
    freeCount: await countFree(db),
    canRestart: operations.restart !== null && isOwn(record, operations.provider.name),
    isCreatedHere: definitionOf(record.provider).creates,
    lastDownload: lastModel(await findLastDownload(db, hostname)),
    ...notice,
    site: dependencies.site,
    now: context.now,
  });
}

/** A problem of an action on one VM; HTML clients get the page of the VM with the message. */
export async function vmPageProblem<Code extends ProblemCode>(
  dependencies: VmPageDependencies,
  {
    path,
    accept,
    caller,
  }: { readonly path: { readonly hostname: string }; readonly accept: string; readonly caller: Caller },
  reply: ProblemReply<Code>,
) {
  if (accept !== 'text/html') return reply;
  const { status, headers = {} } = reply;
  const body = await vmPage(dependencies, path.hostname, {
    viewer: viewerOf(caller),
    done: null,
    error: reply.body.detail,
  });
  return { status, type: 'text/html', body, headers } as const;
}
