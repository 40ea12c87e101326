// The rows of launched VMs: added before the VM exists, removed after it is destroyed. Knows no provider.
import { sql } from 'kysely';
import { readProvider } from '../provision/providers.ts';
import { byHostname } from '../vms/hostnames.ts';
import { readVmStatus, type VmStatus } from '../vms/lifecycle.ts';
import type { Provider } from '../vms/status.ts';
import type { Db } from './connect.ts';
import { condition, isSilent } from './predicates.ts';
import { isAsSeen } from './selected-vms.ts';
import { recordTombstones, recentTombstones } from './tombstones.ts';
import { addVms, recordEvent, removeVms, transition } from './transition.ts';
import { recordDestroyed } from './vm-hours.ts';

export type NewVm = {
  readonly hostname: string;
  /** SHA-256 of its token. */
  readonly tokenHash: Buffer;
};

/** Hostnames that a new VM cannot have: those of rows, and of VMs destroyed within the last hour. */
export async function takenHostnames(db: Db): Promise<Set<string>> {
  const rows = await db.selectFrom('vms').select('hostname').execute();
  return new Set([...rows.map(({ hostname }) => hostname), ...(await recentTombstones(db))]);
}

/** Adds the rows of VMs that will be created, as `initializing`. Returns the hostnames that were free. */
export async function insertVms(
  db: Db,
  launch: { readonly operationId: string; readonly provider: Provider; readonly shutdownAt: Date | null },
  machines: readonly NewVm[],
): Promise<string[]> {
  return addVms(
    db,
    'launch',
    machines.map(({ hostname, tokenHash }) => ({
      hostname,
      provider: launch.provider,
      token_hash: tokenHash,
      operation_id: launch.operationId,
      shutdown_at: launch.shutdownAt,
    })),
  );
}

/** How to reach a VM by SSH; undefined fields stay unchanged. */
export type SshAddress = {
  readonly address?: string | undefined;
  readonly sshUser?: string | undefined;
  readonly sshPort?: number | undefined;
  readonly sshHostKey?: string | undefined;
};

/** Writes how to reach a VM by SSH, if it has changed. */
export async function recordSshAddress(db: Db, hostname: string, reach: SshAddress): Promise<void> {
  const { address = null, sshUser = null, sshPort = null, sshHostKey = null } = reach;
  await sql`update vms set address = coalesce(${address}, address), ssh_user = coalesce(${sshUser}, ssh_user),
      ssh_port = coalesce(${sshPort}::integer, ssh_port), ssh_host_key = coalesce(${sshHostKey}, ssh_host_key)
    where hostname = ${hostname} and (
      address is distinct from coalesce(${address}, address) or ssh_user is distinct from coalesce(${sshUser}, ssh_user)
      or ssh_port is distinct from coalesce(${sshPort}::integer, ssh_port)
      or ssh_host_key is distinct from coalesce(${sshHostKey}, ssh_host_key))`.execute(db);
}

/** Writes the id of the VM at its provider, if known. */
export async function recordProviderId(db: Db, hostname: string, id: string | undefined): Promise<void> {
  if (id === undefined) return;
  await db
    .updateTable('vms')
    .set({ provider_id: id })
    .where('hostname', '=', hostname)
    .where('provider_id', 'is distinct from', id)
    .execute();
}

/** How long the creation of the VM took. Does nothing if its row is gone. */
export async function recordProvisioning(db: Db, hostname: string, seconds: number): Promise<void> {
  await sql`insert into vm_timings (hostname, provisioning_seconds)
    select hostname, ${seconds}::float8 from vms where hostname = ${hostname}
    on conflict (hostname) do update set provisioning_seconds = excluded.provisioning_seconds`.execute(db);
}

/** Removes the rows of VMs that were never created: nothing will report under these hostnames. */
export async function removeNeverCreated(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  await recordDestroyed(db, hostnames);
  await removeVms(db, hostnames);
}

/** Removes the rows of destroyed VMs and records tombstones, also for hostnames without a row. In one transaction. */
export async function removeDestroyed(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  const remove = async (trx: Db): Promise<void> => {
    await recordTombstones(trx, hostnames);
    await removeNeverCreated(trx, hostnames);
  };
  await (db.isTransaction ? remove(db) : db.transaction().execute(remove));
}

/** Locks those of these rows that have the launch, participant and status with which they were read. Returns their hostnames. */
export async function lockUnchangedRows(trx: Db, read: readonly VmRow[]): Promise<Set<string>> {
  const { rows } = await sql<{ hostname: string }>`
    select v.hostname from vms v
    join unnest(
      ${read.map(({ hostname }) => hostname)}::text[], ${read.map(({ operationId }) => operationId)}::text[],
      ${read.map(({ email }) => email)}::text[], ${read.map(({ status }) => status)}::text[]
    ) as known (hostname, launch, email, status) on known.hostname = v.hostname
    where v.operation_id::text is not distinct from known.launch and v.status = known.status
      and (select a.email from assignments a where a.id = v.assignment_id) is not distinct from known.email
    order by v.hostname for no key update of v`.execute(trx);
  return new Set(rows.map(({ hostname }) => hostname));
}

/** Marks VMs of these providers (all, or `hostnames`; with `assignmentIds`, only those that nobody else has) as `destroying`, so that they are not assigned. Returns their hostnames. */
export async function markDestroying(
  db: Db,
  providers: readonly Provider[],
  hostnames: readonly string[] | null = null,
  assignmentIds: readonly string[] | null = null,
): Promise<string[]> {
  const { rows } = await transition('destroy', {
    where: sql`v.provider = any(${providers}::text[])
      and (${hostnames}::text[] is null or v.hostname = any(${hostnames}::text[]))
      and ${assignmentIds === null ? sql`true` : isAsSeen(assignmentIds)}`,
    set: sql`status_before_destroy = v.status`,
  }).execute(db);
  return rows.map(({ hostname }) => hostname);
}

/** Restores the status of VMs that were not destroyed after all. */
export async function restoreDestroying(db: Db, hostnames: readonly string[]): Promise<void> {
  await recordEvent(db, 'destroy-failed', hostnames, {
    before: sql`coalesce(v.status_before_destroy, 'error')`,
    set: sql`status_before_destroy = null`,
  });
}

/** Marks assigned VMs that no longer exist as `unreachable`, so that they are not assigned again. */
export async function setUnreachable(db: Db, hostnames: readonly string[]): Promise<void> {
  if (hostnames.length === 0) return;
  await recordDestroyed(db, hostnames);
  await recordEvent(db, 'gone', hostnames, {
    where: sql`(v.status <> 'unreachable' or ${condition(isSilent('v'))})`,
    set: sql`silent_since = null`,
  });
}

export type VmRow = {
  readonly hostname: string;
  readonly provider: Provider;
  readonly status: VmStatus;
  /** The launch that created it. */
  readonly operationId: string | null;
  /** Of its participant, as `email`; also one that has ended, until the VM is reset. */
  readonly assignmentId: string | null;
  /** The participant's; null if the VM is not assigned. */
  readonly email: string | null;
  /** A participant has or had it. */
  readonly wasAssigned: boolean;
  /** The provider's id; null if it is not known yet. */
  readonly providerId: string | null;
  readonly address: string | null;
  readonly sshUser: string | null;
  readonly sshPort: number | null;
  readonly sshHostKey: string | null;
  readonly shutdownAt: Date | null;
  readonly createdAt: Date;
  /** Its hours are being counted. */
  readonly isCounted: boolean;
};

/** All VMs by hostname, with the e-mail of the participant. */
export async function listVmRows(db: Db): Promise<VmRow[]> {
  const rows = await db
    .selectFrom('vms as v')
    .leftJoin('assignments as a', 'a.id', 'v.assignment_id')
    .select([
      'v.hostname',
      'v.provider',
      'v.status',
      'v.operation_id as operationId',
      'v.provider_id as providerId',
      'v.address',
      'v.ssh_user as sshUser',
      'v.ssh_port as sshPort',
      'v.ssh_host_key as sshHostKey',
      'v.shutdown_at as shutdownAt',
      'v.created_at as createdAt',
      'a.id as assignmentId',
      'a.email',
      sql<boolean>`exists (select from assignments any_a where any_a.hostname = v.hostname)`.as(
        'wasAssigned',
      ),
      sql<boolean>`exists (select from vm_hours h where h.hostname = v.hostname and h.destroyed_at is null)`.as(
        'isCounted',
      ),
    ])
    .execute();
  return rows.sort(byHostname).map((row) => ({
    ...row,
    provider: readProvider(row.provider),
    status: readVmStatus(row.status),
  }));
}

/** VMs that participants may have had although no assignment is recorded: from before a restore, or adopted. */
export async function listWithUnknownPast(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ hostname: string }>`
    select v.hostname from vms v where v.created_at <= (select restored_at from deployment_identity)
      or exists (select from vm_events e where e.hostname = v.hostname and e.event = 'adopt')`.execute(db);
  return new Set(rows.map(({ hostname }) => hostname));
}

/** The clock of the database, from which `createdAt` is. */
export async function databaseNow(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select now()`.execute(db);
  return rows[0]?.now ?? new Date(0);
}

export type KnownSshAddress = {
  readonly address?: string;
  readonly sshUser?: string;
  readonly sshPort?: number;
  readonly sshHostKey?: string;
};

/** Null if there is no such row. */
export async function readSshAddress(db: Db, hostname: string): Promise<KnownSshAddress | null> {
  const row = await db
    .selectFrom('vms')
    .select(['address', 'ssh_user', 'ssh_port', 'ssh_host_key'])
    .where('hostname', '=', hostname)
    .executeTakeFirst();
  if (!row) return null;
  return {
    ...(row.address !== null && { address: row.address }),
    ...(row.ssh_user !== null && { sshUser: row.ssh_user }),
    ...(row.ssh_port !== null && { sshPort: row.ssh_port }),
    ...(row.ssh_host_key !== null && { sshHostKey: row.ssh_host_key }),
  };
}
