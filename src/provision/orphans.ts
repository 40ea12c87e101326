// Machines without a row, and rows without a machine: looked for now and then and on demand, shown, and decided by an
// admin. What is ended by itself, after an interruption, is settle.ts' matter.
import { recordAuditEvent } from '../db/audit.ts';
import type { Db } from '../db/connect.ts';
import { adoptMachine } from '../db/adoption.ts';
import { listMachineRows, removeGone, type MachineRow } from '../db/fleet.ts';
import { recordDestroyed } from '../db/vm-hours.ts';
import { findActiveOperation, findOperation } from '../db/operations.ts';
import { matchMachines } from './match.ts';
import type { ListedVm, Provider, ProvisionReport, ProvisionResult } from './provider.ts';

export type Orphan = {
  /** The provider's own id; where it has none, and for a row, the hostname. */
  readonly id: string;
  readonly kind: 'machine' | 'row';
  readonly hostname: string | null;
  readonly launchId: string | null;
  readonly instanceType: string | null;
  readonly reason: string;
  readonly adoptable: boolean;
  readonly terminable: boolean;
};

export type Survey = {
  readonly items: readonly Orphan[];
  /** When the provider answered last; null = not yet. */
  readonly askedAt: Date | null;
  /** Why it did not the last time. */
  readonly problem: string | null;
};

export type Decided =
  | { readonly kind: 'done'; readonly message: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly problem: string };

export type Orphans = {
  /** As seen last. */
  readonly seen: () => Survey;
  /** Asks the provider now. Never throws for its sake. */
  look(): Promise<Survey>;
  adopt(id: string, by: string): Promise<Decided>;
  terminate(id: string, by: string): Promise<Decided>;
};

export type OrphansOptions = {
  readonly db: Db;
  readonly provider: Provider;
  readonly now: () => Date;
  readonly onError: (error: unknown, doing: string) => void;
  readonly signal: AbortSignal;
};

const ASK_LIMIT_MS = 30_000;
const BUSY: Decided = {
  kind: 'refused',
  problem: 'An operation is running, and may be about this. Wait for its end, or cancel it.',
};
const AWAY: Decided = {
  kind: 'refused',
  problem: 'The provider could not be asked what exists, so nothing was changed. Try again in a minute.',
};

export function createOrphans(options: OrphansOptions): Orphans {
  const { db, provider, now, onError, signal } = options;
  let seen: Survey = { items: [], askedAt: null, problem: null };

  async function look(): Promise<Survey> {
    try {
      const listed = await withLimit(provider.list(), signal);
      seen = { items: await compare(options, listed), askedAt: now(), problem: null };
    } catch (error) {
      onError(error, 'looking for orphans');
      seen = { ...seen, problem: 'The provider could not be asked what exists; the log says why.' };
    }
    return seen;
  }

  /** Looks again first: only what is an orphan still is decided upon. */
  async function decide(id: string, work: (orphan: Orphan) => Promise<Decided>): Promise<Decided> {
    if (await findActiveOperation(db)) return BUSY;
    const survey = await look();
    if (survey.problem !== null) return AWAY;
    const orphan = survey.items.find((item) => item.id === id);
    if (!orphan) return { kind: 'unknown' };
    const decided = await work(orphan);
    await look();
    return decided;
  }

  return {
    seen: () => seen,
    look,
    adopt: (id, by) => decide(id, (orphan) => adopt(options, orphan, by)),
    terminate: (id, by) => decide(id, (orphan) => end(options, orphan, by, signal)),
  };
}

async function compare({ db, provider }: OrphansOptions, listed: readonly ListedVm[]): Promise<Orphan[]> {
  const active = await findActiveOperation(db);
  const rows = await listMachineRows(db);
  const { machines, orphans } = matchMachines(rows, listed);
  const taken = new Set(rows.map(({ hostname }) => hostname));
  const found: Orphan[] = [];
  for (const machine of orphans)
    if (machine.operationId === null || machine.operationId !== active?.id)
      found.push(await ofMachine(db, provider, machine, taken));
  // While something is made or ended, rows are ahead of machines and behind them.
  const lonely = active
    ? []
    : rows.filter((row) => row.provider === provider.name && row.provider !== 'external');
  found.push(...lonely.filter(({ hostname }) => !machines.has(hostname)).map(ofRow));
  return found;
}

async function ofMachine(
  db: Db,
  provider: Provider,
  { id, hostname, operationId, instanceType }: ListedVm,
  taken: ReadonlySet<string>,
): Promise<Orphan> {
  const isSecond = taken.has(hostname);
  const launch = operationId === null ? null : await findOperation(db, operationId);
  return {
    id: id ?? hostname,
    kind: 'machine',
    hostname,
    launchId: operationId,
    instanceType: instanceType ?? null,
    reason: reasonOf(isSecond, launch !== null),
    adoptable: !isSecond,
    terminable: (id !== undefined && provider.terminate !== undefined) || !isSecond,
  };
}

function reasonOf(isSecond: boolean, launchIsKnown: boolean): string {
  if (isSecond)
    return 'There is another machine of this name, which the row is about: this one was made twice.';
  return launchIsKnown
    ? 'It was made by a launch of this server, and has no row (any more).'
    : 'It carries the tags of this deployment, and its launch is not known here: the database may be new, or another one.';
}

function ofRow({ hostname, operationId, email }: MachineRow): Orphan {
  const whose = email === null ? '' : ` ${email} has it, and needs another one.`;
  return {
    id: hostname,
    kind: 'row',
    hostname,
    launchId: operationId,
    instanceType: null,
    reason: `It has a row, and the provider does not know it: it was ended elsewhere.${whose}`,
    adoptable: false,
    terminable: true,
  };
}

async function adopt({ db, provider }: OrphansOptions, orphan: Orphan, by: string): Promise<Decided> {
  const { hostname, adoptable, launchId } = orphan;
  if (!adoptable || hostname === null) return { kind: 'refused', problem: orphan.reason };
  const machine = (await provider.list()).find((each) => (each.id ?? each.hostname) === orphan.id);
  if (!machine) return { kind: 'unknown' };
  const adopted = await db.transaction().execute(async (trx) => {
    const done = await adoptMachine(trx, {
      ...machine,
      ...machine.ssh,
      createdAt: machine.createdAt,
      provider: provider.name,
    });
    const detail = `${hostname} (${orphan.id}), of the launch ${launchId ?? 'unknown'}`;
    if (done) await recordAuditEvent(trx, { who: by, what: 'adopt', detail, operationId: null });
    return done;
  });
  if (!adopted) return { kind: 'refused', problem: 'Its name was taken meanwhile. Look at the list again.' };
  return {
    kind: 'done',
    message: `${hostname} has a row now, and is destroyed with the others. It is given to nobody: the token that it holds is known to no row, so that (with VM_AUTH=required) its reports are refused.`,
  };
}

async function end(
  options: OrphansOptions,
  orphan: Orphan,
  by: string,
  signal: AbortSignal,
): Promise<Decided> {
  const { db } = options;
  const { hostname, kind, id } = orphan;
  if (!orphan.terminable) return { kind: 'refused', problem: orphan.reason };
  const named = hostname === null || hostname === id ? id : `${hostname} (${id})`;
  const action = { who: by, what: 'terminate', detail: `${kind} ${named}`, operationId: null } as const;
  if (kind === 'row') {
    await removeGone(db, [id]);
    await recordAuditEvent(db, action);
    return { kind: 'done', message: `The row of ${named} was cleared.` };
  }
  const result = await endMachine(options, orphan, signal);
  if (!result.ok) return { kind: 'refused', problem: `${result.failure.message} ${result.failure.remedy}` };
  await recordAuditEvent(db, action);
  return { kind: 'done', message: `${named} was ended.` };
}

async function endMachine(
  { db, provider }: OrphansOptions,
  { id, hostname }: Orphan,
  signal: AbortSignal,
): Promise<ProvisionResult> {
  if (provider.terminate && id !== hostname) return provider.terminate([id], signal);
  const report: ProvisionReport = {
    event: () => undefined,
    created: () => Promise.resolve(),
    failed: () => Promise.resolve(),
    gone: (gone) => recordDestroyed(db, [gone]),
  };
  return provider.destroy(hostname === null ? [] : [hostname], report, signal, signal);
}

async function withLimit<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('the provider does not answer')), ASK_LIMIT_MS);
  const stop = (): void => late.reject(new Error('the server stops'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
    clearTimeout(timer);
  }
}
