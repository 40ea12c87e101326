// Reads VMs: one, a page of them, statuses, counts.
import { sql } from 'kysely';
import { readProvider } from '../provision/providers.ts';
import { readVmStatus, type VmStatus } from '../vms/lifecycle.ts';
import { readGpuHealth, type GpuHealth, type Provider } from '../vms/status.ts';
import { readAssignmentRow, selectAssignments, type AssignmentRecord } from './assignments.ts';
import type { Db } from './connect.ts';
import { condition, isFree, isIdle, isWaiting } from './predicates.ts';
import { phaseSeconds } from './timings.ts';

export type VmRecord = {
  readonly hostname: string;
  readonly provider: Provider;
  readonly status: VmStatus;
  readonly statusSince: Date;
  readonly inUse: boolean | null;
  readonly gpuHealth: GpuHealth | null;
  /** When it changed last; null if it is not known. */
  readonly gpuSince: Date | null;
  /** Two machines report under its hostname. */
  readonly twinSince: Date | null;
  /** For somebody on the waiting list. */
  readonly isReserved: boolean;
  /** From which the two reported. */
  readonly twinAddresses: readonly string[];
  readonly address: string | null;
  readonly sshUser: string | null;
  readonly sshPort: number | null;
  readonly hasToken: boolean;
  readonly createdAt: Date;
  readonly lastSeenAt: Date | null;
  readonly waiting: boolean;
  readonly bootId: string | null;
  readonly freeDiskBytes: number | null;
  readonly provisioningSeconds: number | null;
  readonly cloudInitSeconds: number | null;
  readonly containerSeconds: number | null;
  readonly assignment: AssignmentRecord | null;
};

export type VmFilter = {
  readonly status?: VmStatus | undefined;
  readonly assigned?: boolean | undefined;
  readonly search?: string | undefined;
};

export type VmPage = {
  readonly vms: readonly VmRecord[];
  readonly next: string | null;
  readonly total: number;
};

function selectVms(db: Db) {
  return db
    .selectFrom('vms as v')
    .leftJoin('vm_presence as p', 'p.hostname', 'v.hostname')
    .leftJoin('vm_timings as t', 't.hostname', 'v.hostname')
    .select([
      'v.hostname',
      'v.provider',
      'v.status',
      'v.status_since',
      'v.in_use',
      'v.gpu_health',
      'v.address',
    ])
    .select(['v.ssh_user', 'v.ssh_port', 'v.created_at', 'v.assignment_id', 'p.last_seen_at', 'p.boot_id'])
    .select([
      'p.free_disk_bytes',
      't.provisioning_seconds',
      'v.gpu_since',
      'v.twin_since',
      'v.reserved_for',
      'v.twin_addresses',
    ])
    .select([
      phaseSeconds('cloud_init').as('cloud_init_seconds'),
      phaseSeconds('container').as('container_seconds'),
    ])
    .select([sql<boolean>`v.token_hash is not null`.as('has_token'), condition(isWaiting()).as('waiting')]);
}

type Row = Awaited<ReturnType<ReturnType<typeof selectVms>['execute']>>[number];

function readVmRow(row: Row, assignment: AssignmentRecord | null): VmRecord {
  return {
    hostname: row.hostname,
    provider: readProvider(row.provider),
    status: readVmStatus(row.status),
    statusSince: row.status_since,
    inUse: row.in_use,
    gpuHealth: row.gpu_health === null ? null : readGpuHealth(row.gpu_health),
    gpuSince: row.gpu_since,
    twinSince: row.twin_since,
    isReserved: row.reserved_for !== null,
    twinAddresses: row.twin_addresses ?? [],
    address: row.address,
    sshUser: row.ssh_user,
    sshPort: row.ssh_port,
    hasToken: row.has_token,
    createdAt: row.created_at,
    lastSeenAt: row.last_seen_at,
    waiting: row.waiting,
    bootId: row.boot_id,
    freeDiskBytes: row.free_disk_bytes,
    provisioningSeconds: row.provisioning_seconds,
    cloudInitSeconds: row.cloud_init_seconds,
    containerSeconds: row.container_seconds,
    assignment,
  };
}

async function withAssignments(db: Db, rows: readonly Row[]): Promise<VmRecord[]> {
  const ids = rows.flatMap((row) => (row.assignment_id === null ? [] : [row.assignment_id]));
  const found = ids.length === 0 ? [] : await selectAssignments(db).where('a.id', 'in', ids).execute();
  const byId = new Map(found.map((row) => [row.id, readAssignmentRow(row)]));
  return rows.map((row) => readVmRow(row, byId.get(row.assignment_id ?? '') ?? null));
}

/** One VM; null if there is none. */
export async function findVm(db: Db, hostname: string): Promise<VmRecord | null> {
  const row = await selectVms(db).where('v.hostname', '=', hostname).executeTakeFirst();
  const [vm] = row ? await withAssignments(db, [row]) : [];
  return vm ?? null;
}

/** Those of these VMs that exist. */
export async function findVms(db: Db, hostnames: readonly string[]): Promise<VmRecord[]> {
  if (hostnames.length === 0) return [];
  return withAssignments(db, await selectVms(db).where('v.hostname', 'in', hostnames).execute());
}

/** VMs that a participant or an admin may be concerned with: all that are not idle. */
export async function listVmsInQuestion(db: Db): Promise<VmRecord[]> {
  const rows = await selectVms(db)
    .where(condition(`not ${isIdle('v')}`))
    .execute();
  return withAssignments(db, rows);
}

/** VMs by hostname, after `after`, at most `limit`, and the number of all matching VMs. */
export async function listVms(
  db: Db,
  filter: VmFilter,
  page: { readonly after?: string | undefined; readonly limit: number },
): Promise<VmPage> {
  const matching = matchingVms(filter);
  const rows = await selectVms(db)
    .where(matching)
    .$if(page.after !== undefined, (query) => query.where('v.hostname', '>', page.after ?? ''))
    .orderBy('v.hostname')
    .limit(page.limit + 1)
    .execute();
  const { total } = await db
    .selectFrom('vms as v')
    .select(({ fn }) => fn.countAll<number>().as('total'))
    .where(matching)
    .executeTakeFirstOrThrow();
  const shown = rows.slice(0, page.limit);
  const next = rows.length > page.limit ? (shown.at(-1)?.hostname ?? null) : null;
  return { vms: await withAssignments(db, shown), next, total };
}

function matchingVms(filter: VmFilter) {
  const conditions = [sql<boolean>`true`];
  if (filter.status !== undefined) conditions.push(sql<boolean>`v.status = ${filter.status}`);
  if (filter.assigned !== undefined)
    conditions.push(sql<boolean>`(v.assignment_id is not null) = ${filter.assigned}`);
  if (filter.search !== undefined) {
    const part = filter.search.toLowerCase();
    conditions.push(sql<boolean>`(position(${part} in lower(v.hostname)) > 0 or exists (
      select 1 from assignments a left join roster r on r.email = a.email
      where a.id = v.assignment_id and (position(${part} in a.email) > 0 or position(${part} in lower(r.name)) > 0)))`);
  }
  return sql<boolean>`${sql.join(conditions, sql` and `)}`;
}

/** Hostname to status, of every VM. */
export async function listStatuses(db: Db): Promise<Map<string, VmStatus>> {
  const rows = await db.selectFrom('vms').select(['hostname', 'status']).orderBy('hostname').execute();
  return new Map(rows.map(({ hostname, status }) => [hostname, readVmStatus(status)]));
}

/** Whether there is a VM with this hostname. */
export async function vmExists(db: Db, hostname: string): Promise<boolean> {
  return (await findStatus(db, hostname)) !== null;
}

export async function findStatus(db: Db, hostname: string): Promise<VmStatus | null> {
  const row = await db.selectFrom('vms').select('status').where('hostname', '=', hostname).executeTakeFirst();
  return row ? readVmStatus(row.status) : null;
}

/** The launch that created this VM; null for an external VM. */
export async function findLaunchOf(db: Db, hostname: string): Promise<string | null> {
  const row = await db
    .selectFrom('vms')
    .select('operation_id')
    .where('hostname', '=', hostname)
    .executeTakeFirst();
  return row?.operation_id ?? null;
}

/** The number of free VMs. */
export async function countFree(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('vms')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where(condition(isFree()))
    .executeTakeFirstOrThrow();
  return count;
}

export type VmCounts = {
  readonly total: number;
  readonly free: number;
  readonly assigned: number;
  readonly inUse: number;
  readonly byStatus: ReadonlyMap<VmStatus, number>;
};

/** All VMs by status and use. */
export async function countVms(db: Db): Promise<VmCounts> {
  const rows = await db
    .selectFrom('vms')
    .select(['status', ({ fn }) => fn.countAll<number>().as('total')])
    .select(({ fn }) => fn.count<number>('assignment_id').as('assigned'))
    .select(({ fn }) => fn.countAll<number>().filterWhere(condition(isFree())).as('free'))
    .select(({ fn }) => fn.countAll<number>().filterWhere('in_use', '=', true).as('in_use'))
    .groupBy('status')
    .execute();
  const sum = (value: (row: (typeof rows)[number]) => number) =>
    rows.reduce((total, row) => total + value(row), 0);
  return {
    total: sum((row) => row.total),
    free: sum((row) => row.free),
    assigned: sum((row) => row.assigned),
    inUse: sum((row) => row.in_use),
    byStatus: new Map(rows.map((row) => [readVmStatus(row.status), row.total])),
  };
}
