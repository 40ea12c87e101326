// The participants' work for the pages: the last download of each VM, and what a destroy would lose.
import { isOwn } from '../provision/providers.ts';
import { listDownloadTargets, listLastDownloads, type LastDownload } from '../db/downloads.ts';
import type { LastDownloadModel, UnsavedWorkModel, WorkModel } from '../pages/work.ts';
import type { OperationService } from '../provision/operation-service.ts';
import { describeFailure } from '../result.ts';
import { downloadView, targetOf, type DownloadDependencies } from './downloads.ts';
import type { Clock } from './views.ts';

export type WorkDependencies = DownloadDependencies & {
  readonly now: Clock;
  readonly operations: Pick<OperationService, 'provider'>;
};

/** How long the page waits for the VMs. */
const SURVEY_MS = 3_000;

/** All VMs with their last downloads, and the running downloads. */
export async function readWork(dependencies: WorkDependencies): Promise<WorkModel> {
  const { now, collector } = dependencies;
  const vms = await readVms(dependencies);
  return { now: now(), vms: vms.map(workView), downloads: collector.downloads().map(downloadView) };
}

/**
 * The work that a destroy would lose. External VMs are not destroyed, so their work is safe.
 * @param survey also searches each VM for its present files
 */
export async function readUnsavedWork(
  dependencies: WorkDependencies,
  { survey }: { readonly survey: boolean },
): Promise<UnsavedWorkModel> {
  const now = dependencies.now();
  const vms = (await readVms(dependencies)).filter((vm) => isOwn(vm, dependencies.operations.provider.name));
  if (vms.length === 0) return { now, surveyed: true, vms: [] };
  if (!survey) return { now, surveyed: false, vms: vms.map(workView) };
  const targets = vms.map((vm) => targetOf(dependencies, vm));
  const surveys = await dependencies.collector.survey(targets, SURVEY_MS);
  return {
    now: dependencies.now(),
    surveyed: true,
    vms: vms.flatMap((vm, index) => {
      const found = surveys[index];
      if (!found) return [];
      const { failure, files, bytes, fingerprint, leftBehind } = found;
      const changed = vm.last !== undefined && vm.last.fingerprint !== fingerprint;
      const problem = failure && describeFailure(failure);
      return [{ ...workView(vm), problem, files, bytes, changed, leftBehind }];
    }),
  };
}

async function readVms({ db }: WorkDependencies) {
  const [targets, last] = await Promise.all([listDownloadTargets(db, null), listLastDownloads(db)]);
  return targets.map((target) => ({ ...target, last: last.get(target.hostname) }));
}

type VmWork = Awaited<ReturnType<typeof readVms>>[number];

function workView({ hostname, email, last }: VmWork) {
  return { hostname, email, last: lastModel(last) };
}

export function lastModel(last: LastDownload | undefined): LastDownloadModel | null {
  if (last === undefined) return null;
  const { downloadedAt: at, files, bytes, complete } = last;
  return { at, files, bytes, complete };
}
