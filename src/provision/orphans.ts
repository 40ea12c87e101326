// Orphans: VMs without a row, and rows without a VM. Found at intervals and on request, shown to admins, who decide about
// each. What an unfinished operation left is destroyed without asking (apply-actions.ts).
import pTimeout from 'p-timeout';
import { recordAuditEvent } from '../db/audit.ts';
import { adoptVm } from '../db/adoption.ts';
import type { Db } from '../db/connect.ts';
import { removeDestroyed, type VmRow } from '../db/vm-rows.ts';
import { recordDestroyed } from '../db/vm-hours.ts';
import { findActiveOperation } from '../db/operations.ts';
import { vmExists } from '../db/vms.ts';
import { fail, succeed, type Failure, type Result } from '../result.ts';
import { readWorld } from './apply-actions.ts';
import type { ListedVm, Provider, ProvisionResult } from './provider.ts';
import { reconcile, type Action, type AskReason } from './reconcile.ts';
import { createGoneReport } from './report.ts';

type Orphan = {
  /** The provider's own id; the hostname if the provider has no ids, and for a row. */
  readonly id: string;
  /** `foreign`: a VM with the deployment's name, but another uid. */
  readonly kind: 'vm' | 'record' | 'foreign';
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
      const world = await pTimeout(readWorld(options, null), {
        milliseconds: LIST_TIMEOUT_MS,
        message: 'the provider did not list its machines in time',
        signal,
      });
      const items = reconcile(world).flatMap((action) => orphanOf(provider, action) ?? []);
      seen = { items, checkedAt: now(), error: null };
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

/** Null if the action is about no orphan. */
function orphanOf(provider: Provider, action: Action): Orphan | null {
  switch (action.kind) {
    case 'removeRow':
    case 'markLost':
      return orphanOfRow(action.row);
    case 'terminate':
      return 'vm' in action ? orphanOfVm(provider, action.vm, 'left_over') : null;
    case 'askAdmin':
      return 'vm' in action ? orphanOfVm(provider, action.vm, action.reason) : orphanOfRow(action.row);
    default:
      return null;
  }
}

const reasons = {
  left_over: 'An unfinished launch left it; the server destroys it as soon as the provider answers.',
  duplicate: 'It was created twice: another machine is in the list under this hostname.',
  not_recorded: 'A launch of this server created it, but it is not in the list.',
  unknown_launch:
    'It has the tags of this deployment, but this server does not know its launch: the database may be new, or another one.',
  another_uid:
    'It has the name of this deployment, but belongs to another allocator, or to one that was lost. It is left alone. Add it to the list only if its allocator is lost.',
} as const satisfies Record<AskReason | 'left_over', string>;

function orphanOfVm(
  provider: Provider,
  { id, hostname, operationId, instanceType }: ListedVm,
  reason: keyof typeof reasons,
): Orphan {
  const isForeign = reason === 'another_uid';
  const hasId = id !== undefined && provider.terminate !== undefined;
  return {
    id: id ?? hostname,
    kind: isForeign ? 'foreign' : 'vm',
    hostname,
    launchId: operationId,
    instanceType: instanceType ?? null,
    reason: reasons[reason],
    adoptable: reason !== 'duplicate' && reason !== 'left_over',
    terminable: !isForeign && (hasId || reason !== 'duplicate'),
  };
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

async function adopt(
  { db, provider, signal }: OrphansOptions,
  orphan: Orphan,
  by: string,
): Promise<Decision> {
  const { hostname, adoptable, launchId } = orphan;
  if (!adoptable || hostname === null) return refused(orphan.reason, 'Terminate it, or leave it.');
  const isForeign = orphan.kind === 'foreign';
  const listed = isForeign ? await provider.listForeign?.() : await provider.list();
  const vm = listed?.find((each) => (each.id ?? each.hostname) === orphan.id);
  if (!vm) return NOT_FOUND;
  if (await vmExists(db, hostname)) return NAME_TAKEN;
  const made = isForeign ? await provider.adopt?.(orphan.id, signal) : succeed();
  if (made?.ok !== true) return made ? refused(made.failure.message, made.failure.remedy) : NOT_FOUND;
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
    : NAME_TAKEN;
}

const NAME_TAKEN = refused(
  'Another machine in the list has this hostname.',
  'Destroy that one first, or terminate this one where it runs.',
);

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
