// What downloads need, rows as targets, and progress as the contract tells it.
import type { Collector } from '../collect/collector.ts';
import type { Progress } from '../collect/progress.ts';
import type { FilePlace, Target } from '../collect/target.ts';
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import type { DownloadTarget } from '../db/downloads.ts';
import type { Provider } from '../vms/status.ts';

export type CollectDependencies = {
  readonly db: Db;
  readonly collector: Collector;
  /** Where participants' files are on machines of this provider. */
  readonly placeOn: (provider: Provider) => FilePlace;
  /** Where a machine has not told its own. */
  readonly defaultSshUser: string;
};

const SSH_PORT = 22;

export function targetOf(
  { placeOn, defaultSshUser }: Pick<CollectDependencies, 'placeOn' | 'defaultSshUser'>,
  { hostname, provider, address, sshUser, sshPort, sshHostKey, email }: DownloadTarget,
): Target {
  return {
    hostname,
    address,
    port: sshPort ?? SSH_PORT,
    user: sshUser ?? defaultSshUser,
    hostKey: sshHostKey,
    place: placeOn(provider),
    participant: email,
  };
}

export function downloadView(progress: Progress): components['schemas']['Download'] {
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
