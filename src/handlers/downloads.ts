// Downloads of participants' files, from all VMs or one, and their progress.
import type { Readable } from 'node:stream';
import type { Collector } from '../collect/collector.ts';
import type { DownloadProgress } from '../collect/progress.ts';
import type { FilePlace, Target } from '../collect/target.ts';
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import type { DownloadTarget } from '../db/downloads.ts';
import type { Provider } from '../vms/status.ts';
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, type ProblemReply } from '../contract/problems.ts';
import type { DownloadFailure } from '../collect/download-failure.ts';
import { bytesOf, isWhole, type VmReport } from '../collect/report.ts';
import { listDownloadTargets, recordDownloads } from '../db/downloads.ts';
import { findStatus } from '../db/vms.ts';
import { callerName } from '../contract/caller.ts';
import { json } from './replies.ts';
import { describeFailure } from '../result.ts';

export type DownloadDependencies = {
  readonly db: Db;
  readonly collector: Collector;
  /** Where participants' files are on VMs of this provider. */
  readonly filePlaceOf: (provider: Provider) => FilePlace;
  /** For VMs that have not reported one. */
  readonly defaultSshUser: string;
  /** How the folders of the zip are called. */
  readonly downloadFolders: 'machine' | 'participant';
};

const SSH_PORT = 22;

export function targetOf(
  { filePlaceOf, defaultSshUser }: Pick<DownloadDependencies, 'filePlaceOf' | 'defaultSshUser'>,
  { hostname, provider, address, sshUser, sshPort, sshHostKey, email }: DownloadTarget,
): Target {
  return {
    hostname,
    address,
    port: sshPort ?? SSH_PORT,
    user: sshUser ?? defaultSshUser,
    hostKey: sshHostKey,
    place: filePlaceOf(provider),
    participant: email,
  };
}

export function downloadView(progress: DownloadProgress): components['schemas']['Download'] {
  return {
    id: progress.id,
    requested_by: progress.requestedBy,
    hostname: progress.hostname,
    state: progress.state,
    message: progress.message,
    started_at: progress.startedAt.toISOString(),
    ended_at: progress.endedAt?.toISOString() ?? null,
    vms: progress.vms,
    vms_searched: progress.vmsSearched,
    vms_done: progress.vmsDone,
    vms_failed: progress.vmsFailed,
    files_found: progress.filesFound,
    bytes_found: progress.bytesFound,
    files: progress.files,
    bytes: progress.bytes,
  };
}

export function createDownloadHandlers(dependencies: DownloadDependencies): HandlersOf<'downloads'> {
  const { db, collector } = dependencies;
  return {
    downloadData: (input) => download(dependencies, input, null),
    downloadVmData: async (input) => {
      const { hostname } = input.path;
      if ((await findStatus(db, hostname)) === null) return problem('vm_not_found');
      return download(dependencies, input, hostname);
    },
    listDownloads: () => json({ items: collector.downloads().map(downloadView) }),
  };
}

async function download(
  dependencies: DownloadDependencies,
  { caller, signal }: Pick<Input<'downloadData'>, 'caller' | 'signal'>,
  hostname: string | null,
): Promise<Reply<'downloadData'>> {
  const { db, collector } = dependencies;
  const targets = await targetsOf(dependencies, hostname);
  if (targets.length === 0)
    return hostname === null ? problem('no_vms') : problem('no_files', { detail: NOT_STARTED });
  const by = callerName(caller);
  const onComplete = (reports: readonly VmReport[], startedAt: Date): Promise<void> =>
    recordDownloads(db, downloadRecords(reports, by, startedAt));
  const answer = await collector.download({ targets, by, hostname, signal, onComplete });
  if (!answer.ok) return failed(answer.failure);
  return zipReply(answer.value);
}

export function zipReply({ stream, startedAt }: { readonly stream: Readable; readonly startedAt: Date }) {
  return {
    status: 200,
    type: 'application/zip',
    headers: {
      'Content-Disposition': `attachment; filename="${fileName(startedAt)}"`,
      'X-Accel-Buffering': 'no',
    },
    body: stream,
  } as const;
}

/** Two machines that one participant had one after the other have folders of their own. @param hostname null: all */
export async function targetsOf(
  dependencies: Omit<DownloadDependencies, 'collector'>,
  hostname: string | null,
): Promise<Target[]> {
  const rows = await listDownloadTargets(dependencies.db, hostname);
  const taken = new Set<string>();
  return rows.map((row) => {
    const { email, name } = row;
    const isByMachine = dependencies.downloadFolders === 'machine' || email === null;
    const wanted = isByMachine ? row.hostname : name === null ? email : `${name} (${email})`;
    const folder = taken.has(wanted.toLowerCase()) ? `${wanted} ${row.hostname}` : wanted;
    taken.add(folder.toLowerCase());
    return { ...targetOf(dependencies, row), folder };
  });
}

const NOT_STARTED = 'The machine has not started yet, so there is no work on it.';

function failed(failure: DownloadFailure): ProblemReply<DownloadFailure['code']> {
  const errors = failure.vms.map((vm) => ({
    field: vm.hostname,
    code: vm.failure.code,
    message: describeFailure(vm.failure),
  }));
  const extras = { detail: describeFailure(failure), ...(errors.length > 0 && { errors }) };
  return problem(failure.code, extras);
}

export function downloadRecords(reports: readonly VmReport[], requestedBy: string, downloadedAt: Date) {
  return reports.flatMap((report) => recordOf(report, requestedBy, downloadedAt));
}

/** Nothing if the VM could not be searched: its last download stays recorded. */
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
