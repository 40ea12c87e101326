// How to reach VMs for a download, and the last download of each.
import { sql, type Selectable } from 'kysely';
import { readProvider } from '../provision/providers.ts';
import { byHostname } from '../vms/hostnames.ts';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import type { VmDownloads } from './schema.gen.ts';

export type DownloadTarget = {
  readonly hostname: string;
  readonly provider: Provider;
  readonly address: string | null;
  readonly sshUser: string | null;
  readonly sshPort: number | null;
  readonly sshHostKey: string | null;
  /** The participant's, or the last participant's. */
  readonly email: string | null;
  /** On the roster; null where it has none. */
  readonly name: string | null;
};

/**
 * VMs that can hold work, by hostname: all except those that are still starting.
 * @param hostnames only these VMs; null = all
 */
export async function listDownloadTargets(
  db: Db,
  hostnames: readonly string[] | null,
): Promise<DownloadTarget[]> {
  const rows = await db
    .selectFrom('vms as v')
    .select(['v.hostname', 'v.provider', 'v.address', 'v.ssh_user', 'v.ssh_port', 'v.ssh_host_key'])
    .select(
      sql<string | null>`(select a.email from assignments a where a.hostname = v.hostname
        order by (a.id = v.assignment_id) desc nulls last, a.assigned_at desc limit 1)`.as('email'),
    )
    .where('v.status', '<>', 'initializing')
    .$if(hostnames !== null, (query) => query.where('v.hostname', 'in', hostnames ?? []))
    .execute();
  const named = await db.selectFrom('roster').select(['email', 'name']).where('name', '<>', '').execute();
  const names = new Map(named.map(({ email, name }) => [email, name]));
  return rows.sort(byHostname).map((row) => ({
    hostname: row.hostname,
    provider: readProvider(row.provider),
    address: row.address,
    sshUser: row.ssh_user,
    sshPort: row.ssh_port,
    sshHostKey: row.ssh_host_key,
    email: row.email,
    name: row.email === null ? null : (names.get(row.email) ?? null),
  }));
}

/** Where a participant's machine is reached, and when it shuts down; undefined if it is gone. */
export function findOwnMachine(db: Db, hostname: string) {
  return db
    .selectFrom('vms')
    .select(['address', 'shutdown_at'])
    .where('hostname', '=', hostname)
    .executeTakeFirst();
}

/** Stores the first host key of a VM; a known key is never replaced. */
export async function pinHostKey(db: Db, hostname: string, hostKey: string): Promise<void> {
  await db
    .updateTable('vms')
    .set({ ssh_host_key: hostKey })
    .where('hostname', '=', hostname)
    .where('ssh_host_key', 'is', null)
    .execute();
}

export type LastDownload = {
  readonly hostname: string;
  /** When it began. */
  readonly downloadedAt: Date;
  readonly requestedBy: string;
  readonly files: number;
  readonly bytes: number;
  /** No file is missing. */
  readonly complete: boolean;
  readonly leftFiles: number;
  readonly leftBytes: number;
  readonly fingerprint: string;
};

/** Records the downloads; skips VMs that were removed in the meantime. */
export async function recordDownloads(db: Db, downloads: readonly LastDownload[]): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const download of downloads) await recordDownload(trx, download);
  });
}

async function recordDownload(db: Db, download: LastDownload): Promise<void> {
  await sql`
    insert into vm_downloads (hostname, downloaded_at, requested_by, files, bytes, complete, left_files, left_bytes, fingerprint)
    select hostname, ${download.downloadedAt}::timestamptz, ${download.requestedBy}, ${download.files}::integer, ${download.bytes}::bigint,
           ${download.complete}::boolean, ${download.leftFiles}::integer, ${download.leftBytes}::bigint, ${download.fingerprint}
    from vms where hostname = ${download.hostname}
    on conflict (hostname) do update set
      downloaded_at = excluded.downloaded_at, requested_by = excluded.requested_by, files = excluded.files,
      bytes = excluded.bytes, complete = excluded.complete, left_files = excluded.left_files,
      left_bytes = excluded.left_bytes, fingerprint = excluded.fingerprint`.execute(db);
}

/** By hostname, without VMs that were never downloaded. */
export async function listLastDownloads(db: Db): Promise<ReadonlyMap<string, LastDownload>> {
  const rows = await db.selectFrom('vm_downloads').selectAll().execute();
  return new Map(rows.map((row) => [row.hostname, readRow(row)]));
}

/** Undefined if it was never downloaded. */
export async function findLastDownload(db: Db, hostname: string): Promise<LastDownload | undefined> {
  const query = db.selectFrom('vm_downloads').selectAll().where('hostname', '=', hostname);
  const row = await query.executeTakeFirst();
  return row && readRow(row);
}

function readRow(row: Selectable<VmDownloads>): LastDownload {
  return {
    hostname: row.hostname,
    downloadedAt: row.downloaded_at,
    requestedBy: row.requested_by,
    files: row.files,
    bytes: row.bytes,
    complete: row.complete,
    leftFiles: row.left_files,
    leftBytes: row.left_bytes,
    fingerprint: row.fingerprint,
  };
}
