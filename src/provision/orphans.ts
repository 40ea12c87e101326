// Orphans: VMs without a row, and rows without a VM. Found at intervals and on request, shown to admins, who decide about
// each. What an interrupted operation left is cleaned up by reconcile.ts instead.
import pTimeout from 'p-timeout';
import { recordAuditEvent } from '../db/audit.ts';
import { adoptVm } from '../db/adoption.ts';
import type { Db } from '../db/connect.ts';
import { listVmRows, removeDestroyed, type VmRow } from '../db/vm-rows.ts';
import { recordDestroyed } from '../db/vm-hours.ts';
import { findActiveOperation, findOperation } from '../db/operations.ts';
import { fail, succeed, type Failure, type Result } from '../result.ts';
import type { ListedVm, Provider, ProvisionResult } from './provider.ts';
import { isOwn } from './providers.ts';
import { matchVms } from './reconcile.ts';
import { createGoneReport } from './report.ts';

type Orphan = {
  /** The provider's own id; the hostname if the provider has no ids, and for a row. */
  readonly id: string;
  readonly kind: 'vm' | 'record';
  readonly hostname: string | null;
  readonly launchId: string | null;
  readonly instanceType: string | null;
  readonly reason: string;
  readonly adoptable: boolean;
  readonly terminable: boolean;
};

export type Survey = {
  readonly items: readonly Orphan[];
  /** When the provider last listed its VMs; null = not yet. */
  readonly checkedAt: Date | null;
  /** Why it could not the last time. */
  readonly error: string | null;
};

/** What was done, in a sentence; `not_found` if there is no such orphan (any more). */
export type Decision = Result<string, Failure<'not_found' | 'refused'>>;

export type Orphans = {
  /** The last survey. */
  readonly seen: () => Survey;
  /** Makes a new survey. Never rejects. */
  look(): Promise<Survey>;
  /** Gives a VM a row, so that the next destroy includes it. */
  adopt(id: string, by: string): Promise<Decision>;
  /** Destroys a VM, or removes a row. */
  terminate(id: string, by: string): Promise<Decision>;
};

export type OrphansOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly now: () => Date;
  readonly onError: (error: unknown, doing: string) => void;
  readonly signal: AbortSignal;
};

const LIST_TIMEOUT_MS = 30_000;
const NOT_FOUND = fail({
  code: 'not_found',
  message: 'There is no such orphan.',
  remedy: 'Reload the list.',
} as const);
const BUSY = refused(
  'An operation is running and may change this machine.',
  'Wait for its end, or cancel it.',
);
const UNAVAILABLE = refused(
  'The provider could not list its machines, so nothing was changed.',
  'Try again in a minute.',
);

export function createOrphans(options: OrphansOptions): Orphans {
  const { db, provider, now, onError, signal } = options;
  let seen: Survey = { items: [], checkedAt: null, error: null };

  async function look(): Promise<Survey> {
    try {
      const listed = await pTimeout(provider.list(), {
        milliseconds: LIST_TIMEOUT_MS,
        message: 'the provider did not list its machines in time',
        signal,
      });
      seen = { items: await findOrphans(options, listed), checkedAt: now(), error: null };
    } catch (error) {
      onError(error, 'looking for orphans');
      seen = {
        ...seen,
        error: 'The provider could not list its machines; the log of the server has the error.',
      };
    }
    return seen;
  }

  /** Makes a new survey first, so that only a current orphan is acted on. */
  async function decide(id: string, act: (orphan: Orphan) => Promise<Decision>): Promise<Decision> {
    if (await findActiveOperation(db)) return BUSY;
    const survey = await look();
    if (survey.error !== null) return UNAVAILABLE;
    const orphan = survey.items.find((item) => item.id === id);
    if (!orphan) return NOT_FOUND;
    const decision = await act(orphan);
    await look();
    return decision;
  }

  return {
    seen: () => seen,
    look,
    adopt: (id, by) => decide(id, (orphan) => adopt(options, orphan, by)),
    terminate: (id, by) => decide(id, (orphan) => terminate(options, orphan, by)),
  };
}

async function findOrphans({ db, provider }: OrphansOptions, listed: readonly ListedVm[]): Promise<Orphan[]> {
  const active = await findActiveOperation(db);
  const rows = await listVmRows(db);
  const { vms, orphans } = matchVms(rows, listed);
  const hostnames = new Set(rows.map(({ hostname }) => hostname));
  const found: Orphan[] = [];
  for (const vm of orphans)
    if (vm.operationId === null || vm.operationId !== active?.id)
      found.push(await orphanOfVm(db, provider, vm, hostnames));
  // While an operation runs, rows exist before their VM and after it.
  const own = active ? [] : rows.filter((row) => isOwn(row, provider.name));
  found.push(...own.filter(({ hostname }) => !vms.has(hostname)).map(orphanOfRow));
  return found;
}

async function orphanOfVm(
  db: Db,
  provider: Provider,
  { id, hostname, operationId, instanceType }: ListedVm,
  hostnames: ReadonlySet<string>,
): Promise<Orphan> {
  const isDuplicate = hostnames.has(hostname);
  const launch = operationId === null ? null : await findOperation(db, operationId);
  return {
    id: id ?? hostname,
    kind: 'vm',
    hostname,
    launchId: operationId,
    instanceType: instanceType ?? null,
    reason: reasonOf(isDuplicate, launch !== null),
    adoptable: !isDuplicate,
    terminable: (id !== undefined && provider.terminate !== undefined) || !isDuplicate,
  };
}

function reasonOf(isDuplicate: boolean, launchIsKnown: boolean): string {
  if (isDuplicate) return 'It was created twice: another machine is in the list under this hostname.';
  return launchIsKnown
    ? 'A launch of this server created it, but it is not in the list.'
    : 'It has the tags of this deployment, but this server does not know its launch: the database may be new, or another one.';
}

function orphanOfRow({ hostname, operationId, email }: VmRow): Orphan {
  const assigned = email === null ? '' : ` It is assigned to ${email}: assign another machine.`;
  return {
    id: hostname,
    kind: 'record',
    hostname,
    launchId: operationId,
    instanceType: null,
    reason: `It is in the list, but the provider does not have it: it was terminated elsewhere.${assigned}`,
    adoptable: false,
    terminable: true,
  };
}

function refused(message: string, remedy: string): Decision {
  return fail({ code: 'refused', message, remedy });
}

async function adopt({ db, provider }: OrphansOptions, orphan: Orphan, by: string): Promise<Decision> {
  const { hostname, adoptable, launchId } = orphan;
  if (!adoptable || hostname === null) return refused(orphan.reason, 'Terminate it, or leave it.');
  const vm = (await provider.list()).find((each) => (each.id ?? each.hostname) === orphan.id);
  if (!vm) return NOT_FOUND;
  const adopted = await db.transaction().execute(async (trx) => {
    const row = { ...vm, ...vm.ssh, createdAt: vm.createdAt, provider: provider.name };
    const done = await adoptVm(trx, row);
    const detail = `${hostname} (${orphan.id}), of the launch ${launchId ?? 'unknown'}`;
    if (done) await recordAuditEvent(trx, { who: by, what: 'adopt', detail, operationId: null });
    return done;
  });
  return adopted
    ? succeed(
        `${hostname} was added to the list and will be destroyed with the others. It is not assigned: its token is unknown, so with VM_AUTH=required its reports are refused.`,
      )
    : refused('Another machine has taken its name in the meantime.', 'Reload the list.');
}

async function terminate(options: OrphansOptions, orphan: Orphan, by: string): Promise<Decision> {
  const { db } = options;
  const { hostname, kind, id } = orphan;
  if (!orphan.terminable) return refused(orphan.reason, 'Terminate it where it runs.');
  const named = hostname === null || hostname === id ? id : `${hostname} (${id})`;
  const action = { who: by, what: 'terminate', detail: `${kind} ${named}`, operationId: null } as const;
  if (kind === 'record') {
    await removeDestroyed(db, [id]);
    await recordAuditEvent(db, action);
    return succeed(`The row of ${named} was removed.`);
  }
  const result = await terminateVm(options, orphan);
  if (!result.ok) return refused(result.failure.message, result.failure.remedy);
  await recordAuditEvent(db, action);
  return succeed(`${named} was destroyed.`);
}

async function terminateVm(
  { db, provider, signal }: OrphansOptions,
  { id, hostname }: Orphan,
): Promise<ProvisionResult> {
  if (provider.terminate && id !== hostname) return provider.terminate([id], signal);
  const report = createGoneReport((gone) => recordDestroyed(db, [gone]));
  return provider.destroy(hostname === null ? [] : [hostname], report, signal, signal);
}
