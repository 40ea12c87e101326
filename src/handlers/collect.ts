// Downloads of all participants' files or of one machine's, and their progress.
import type { HandlersOf, Reply } from '../contract/handlers.ts';
import { problem, type ProblemReply } from '../contract/problems.ts';
import type { DownloadFailure } from '../collect/download-failure.ts';
import { describeFailure } from '../collect/failure.ts';
import { bytesOf, isWhole, type VmReport } from '../collect/report.ts';
import { listDownloadTargets, recordDownloads } from '../db/downloads.ts';
import { findStatus } from '../db/vms.ts';
import { downloadView, targetOf, type CollectDependencies } from './collect-views.ts';
import { nameOf } from './fleet.ts';
import type { Caller } from '../contract/handlers.ts';

type Asked = { readonly caller: Caller; readonly signal: AbortSignal };

export function createCollectHandlers(dependencies: CollectDependencies): HandlersOf<'downloads'> {
  const { db, collector } = dependencies;
  return {
    downloadData: (input) => download(dependencies, input, null),
    downloadVmData: async (input) => {
      const { hostname } = input.path;
      if ((await findStatus(db, hostname)) === null) return problem('vm_not_found');
      return download(dependencies, input, hostname);
    },
    listDownloads: () => {
      const items = collector.downloads().map(downloadView);
      return { status: 200, type: 'application/json', body: { items } };
    },
  };
}

async function download(
  dependencies: CollectDependencies,
  { caller, signal }: Asked,
  hostname: string | null,
): Promise<Reply<'downloadData'>> {
  const { db, collector } = dependencies;
  const targets = (await listDownloadTargets(db, hostname)).map((row) => targetOf(dependencies, row));
  if (targets.length === 0)
    return hostname === null ? problem('no_vms') : problem('no_files', { detail: NOT_UP });
  const by = nameOf(caller);
  const onComplete = (reports: readonly VmReport[], startedAt: Date): Promise<void> =>
    recordDownloads(
      db,
      reports.flatMap((report) => recordOf(report, by, startedAt)),
    );
  const answer = await collector.download({ targets, by, hostname, signal, onComplete });
  if (!answer.ok) return failed(answer.failure);
  const { stream, startedAt } = answer.value;
  return {
    status: 200,
    type: 'application/zip',
    headers: {
      'Content-Disposition': `attachment; filename="${fileName(startedAt)}"`,
      'X-Accel-Buffering': 'no',
    },
    body: stream,
  };
}

const NOT_UP = 'The machine has not started yet, so there is no work on it.';

function failed(failure: DownloadFailure): ProblemReply<DownloadFailure['code']> {
  const errors = failure.vms.map(({ hostname, failure: reason }) => ({
    field: hostname,
    code: reason.code,
    message: describeFailure(reason),
  }));
  const extras = { detail: describeFailure(failure), ...(errors.length > 0 && { errors }) };
  return problem(failure.code, extras);
}

/** None if nothing was found out: what was downloaded before stays recorded. */
function recordOf(report: VmReport, requestedBy: string, downloadedAt: Date) {
  const { hostname, fingerprint, files, failure, leftBehind } = report;
  if (fingerprint === null || (failure !== null && files.length === 0)) return [];
  return [
    {
      hostname,
      downloadedAt,
      requestedBy,
      files: files.length,
      bytes: bytesOf(report),
      complete: isWhole(report),
      leftFiles: leftBehind?.files ?? 0,
      leftBytes: leftBehind?.bytes ?? 0,
      fingerprint,
    },
  ];
}

/** `lablink_data_20260131_120000.zip`, in UTC. */
function fileName(startedAt: Date): string {
  const [day = '', time = ''] = startedAt.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  return `lablink_data_${day}_${time}.zip`;
}
