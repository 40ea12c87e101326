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
import { problem, type FieldError } from '../contract/problems.ts';
import type { DownloadFailure } from '../collect/download-failure.ts';
import { bytesOf, isWhole, type VmReport } from '../collect/report.ts';
import { listDownloadTargets, recordDownloads } from '../db/downloads.ts';
import { findStatus, findVms } from '../db/vms.ts';
import { callerName } from '../contract/caller.ts';
import { namesOrCount } from '../vms/operation.ts';
import { NOT_STARTED } from '../vms/selected.ts';
import { json } from './replies.ts';
import { describeFailure, fail, succeed, type Result } from '../result.ts';

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
    is_selection: progress.isSelection,
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
    downloadData: async ({ caller, signal }) =>
      replyOf(await downloadFrom(dependencies, { caller, signal, hostnames: null })),
    downloadVmData: async ({ path, caller, signal }) => {
      const { hostname } = path;
      if ((await findStatus(db, hostname)) === null) return problem('vm_not_found');
      return replyOf(await downloadFrom(dependencies, { caller, signal, hostnames: [hostname] }));
    },
    listDownloads: () => json({ items: collector.downloads().map(downloadView) }),
  };
}

type ZipReply = ReturnType<typeof zipReply>;

/** Why there is no zip: the problem, and what it says. */
type NoDownload = {
  readonly code: 'no_vms' | DownloadFailure['code'];
  readonly extras: { readonly detail?: string; readonly errors?: readonly FieldError[] };
};

function replyOf(answer: Result<ZipReply, NoDownload>): Reply<'downloadData'> {
  return answer.ok ? answer.value : problem(answer.failure.code, answer.failure.extras);
}

/** @param asked `hostnames`: only these VMs; null = all */
export async function downloadFrom(
  dependencies: DownloadDependencies,
  asked: Pick<Input<'downloadData'>, 'caller' | 'signal'> & { readonly hostnames: readonly string[] | null },
): Promise<Result<ZipReply, NoDownload>> {
  const { caller, signal, hostnames } = asked;
  const { db, collector } = dependencies;
  const targets = await targetsOf(dependencies, hostnames);
  if (targets.length === 0)
    return fail(
      hostnames === null
        ? { code: 'no_vms', extras: {} }
        : { code: 'no_files', extras: { detail: await absenceOf(db, hostnames) } },
    );
  const by = callerName(caller);
  const onComplete = (reports: readonly VmReport[], startedAt: Date): Promise<void> =>
    recordDownloads(db, downloadRecords(reports, by, startedAt));
  const [first = null, ...others] = hostnames ?? [];
  const scope = { hostname: others.length === 0 ? first : null, isSelection: others.length > 0 };
  const answer = await collector.download({ targets, by, ...scope, signal, onComplete });
  return answer.ok ? succeed(zipReply(answer.value)) : fail(noDownload(answer.failure));
}

/** Why none of these VMs can be searched. */
async function absenceOf(db: Db, hostnames: readonly string[]): Promise<string> {
  const known = new Set((await findVms(db, hostnames)).map(({ hostname }) => hostname));
  const unknown = hostnames.filter((hostname) => !known.has(hostname));
  if (unknown.length === 0) return NOT_STARTED;
  const names = namesOrCount(unknown);
  return unknown.length === 1
    ? `There is no machine ${names}. It may have been destroyed.`
    : `There are no such machines: ${names}. They may have been destroyed.`;
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

/** Two machines that one participant had one after the other have folders of their own. @param hostnames null: all */
export async function targetsOf(
  dependencies: Omit<DownloadDependencies, 'collector'>,
  hostnames: readonly string[] | null,
): Promise<Target[]> {
  const rows = await listDownloadTargets(dependencies.db, hostnames);
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

function noDownload(failure: DownloadFailure): NoDownload {
  const errors = failure.vms.map((vm) => ({
    field: vm.hostname,
    code: vm.failure.code,
    message: describeFailure(vm.failure),
  }));
  const extras = { detail: describeFailure(failure), ...(errors.length > 0 && { errors }) };
  return { code: failure.code, extras };
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
