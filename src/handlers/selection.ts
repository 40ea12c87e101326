// Actions on several VMs: whom they would affect, and their start. HTML clients get the page that asks for confirmation, then are
// redirected to the page of the operation.
import { callerName, roleOf } from '../contract/caller.ts';
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, ProblemError, type FieldError, type ProblemReply } from '../contract/problems.ts';
import { viewerOf, type Viewer } from '../contract/role.ts';
import { listLastDownloads, type LastDownload } from '../db/downloads.ts';
import { findActiveOperation, type OperationRecord } from '../db/operations.ts';
import { findChanged } from '../db/selected-vms.ts';
import { findVms, type VmRecord } from '../db/vms.ts';
import { instancesHref, operationPageHref } from '../pages/hrefs.ts';
import { renderSelected } from '../pages/selected.ts';
import { theirWorkSentence } from '../pages/work.ts';
import { fateOf, isOwn } from '../provision/providers.ts';
import type { SelectedRequest } from '../provision/request-selected.ts';
import { describeFailure } from '../result.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import { describeOperation, doneWords, namesOrCount } from '../vms/operation.ts';
import {
  changedSentence,
  hindranceOf,
  mayChoose,
  noteOf,
  SELECTED_MAX,
  type SelectedFacts,
  selectionSentence,
  type BulkAction,
} from '../vms/selected.ts';
import { isAssigned } from '../vms/status.ts';
import { readVmQuery, type VmQuery } from '../vms/vm-table.ts';
import { downloadFrom, type DownloadDependencies } from './downloads.ts';
import { findMatching } from './instances-page.ts';
import { json, page, see } from './replies.ts';
import { operationAddress, operationView, type ViewDependencies } from './views.ts';
import type { FleetDependencies } from './operation-pages.ts';
import { lastModel } from './unsaved-work.ts';

export type SelectionDependencies = ViewDependencies &
  DownloadDependencies &
  Pick<FleetDependencies, 'operations'> & { readonly randomUuid: () => string };

type Preview = components['schemas']['SelectionPreview'];
type SelectedVm = Preview['items'][number];
type StartInput = Input<'releaseSelectedVms'>;
type StartReply = Reply<'releaseSelectedVms'>;

export function createSelectionHandlers(dependencies: SelectionDependencies): HandlersOf<'selection'> {
  const startOf = (kind: SelectedRequest['kind']) => (input: StartInput) => start(dependencies, kind, input);
  return {
    previewSelectedVms: (input) => preview(dependencies, input),
    releaseSelectedVms: startOf('release'),
    restartSelectedVms: startOf('restart'),
    destroySelectedVms: startOf('destroy'),
    downloadSelectedVms: (input) => download(dependencies, input),
  };
}

async function preview(
  dependencies: SelectionDependencies,
  { body, accept, caller }: Input<'previewSelectedVms'>,
): Promise<Reply<'previewSelectedVms'>> {
  const { action } = body;
  if (!mayChoose(roleOf(caller), action)) throw new ProblemError('admins_only');
  const viewer = viewerOf(caller);
  const back = instancesHref(readVmQuery(body));
  const hostnames = await namesOf(dependencies, body);
  const wrong = boundOf(hostnames, body.which);
  if (wrong) {
    if (accept !== 'text/html') return problem('invalid_request', { errors: [wrong] });
    const error = wrong.message;
    const html = await selectedPage(dependencies, { viewer, action, hostnames: [], back, error });
    return { status: 400, type: 'text/html', body: html };
  }
  if (accept !== 'text/html') return json(await readPreview(dependencies, action, hostnames));
  return page(await selectedPage(dependencies, { viewer, action, hostnames, back }));
}

/** The VMs that are meant, each once. */
async function namesOf(
  dependencies: SelectionDependencies,
  { which, hostnames = [], q, show }: Input<'previewSelectedVms'>['body'],
): Promise<readonly string[]> {
  if (which === 'listed') return [...new Set(hostnames)];
  const query: VmQuery = readVmQuery(which === 'shown' ? { q, show } : { show: which });
  return (await findMatching(dependencies, query)).vms.map(({ hostname }) => hostname);
}

const NONE = { ticked: 'No machine is selected.', group: 'There is no machine in what you chose.' } as const;

/** What is wrong with the number of VMs. */
function boundOf(hostnames: readonly string[], which = 'listed'): FieldError | null {
  const field = 'hostnames';
  if (hostnames.length === 0)
    return { field, code: 'required', message: NONE[which === 'listed' ? 'ticked' : 'group'] };
  if (hostnames.length <= SELECTED_MAX) return null;
  const message = `${hostnames.length} machines are selected; at most ${SELECTED_MAX} can be changed at once.`;
  return { field, code: 'max_items', message };
}

async function readPreview(
  dependencies: SelectionDependencies,
  action: BulkAction,
  hostnames: readonly string[],
): Promise<Preview> {
  const { db } = dependencies;
  const [records, last] = await Promise.all([findVms(db, hostnames), listLastDownloads(db)]);
  const vms = new Map(records.map((record) => [record.hostname, record]));
  const items = hostnames
    .toSorted(compareHostnames)
    .map((hostname) =>
      itemOf(dependencies, { action, hostname, vm: vms.get(hostname), last: last.get(hostname) }),
    );
  const possible = items.filter(({ hindrance }) => hindrance === null);
  const counts = {
    possible: possible.length,
    participants: possible.filter(({ assignment_id: id }) => id !== null).length,
  };
  return { action, items, ...counts, message: selectionSentence(action, { items, ...counts }) };
}

function itemOf(
  { operations, now }: SelectionDependencies,
  given: {
    readonly action: BulkAction;
    readonly hostname: string;
    readonly vm: VmRecord | undefined;
    readonly last: LastDownload | undefined;
  },
): SelectedVm {
  const { action, hostname, vm, last } = given;
  const facts = vm ? factsOf(operations, vm) : null;
  const about = {
    hostname,
    status: vm?.status ?? null,
    hindrance: hindranceOf(action, facts),
    note: facts && noteOf(action, facts),
  };
  const assignment = vm && isAssigned(vm) ? vm.assignment : null;
  if (!assignment) return { ...about, assignment_id: null, email: null, name: '', work: null };
  const { id, email, name, assignedAt } = assignment;
  const work = theirWorkSentence(assignedAt, lastModel(last), now());
  return { ...about, assignment_id: id, email, name, work };
}

function factsOf(
  { restart, provider: own }: Pick<SelectionDependencies['operations'], 'restart' | 'provider'>,
  vm: VmRecord,
): SelectedFacts {
  return {
    status: vm.status,
    provider: vm.provider,
    isAssigned: isAssigned(vm),
    canRestart: restart !== null && isOwn(vm, own.name),
    fate: fateOf(vm, own.name),
  };
}

/** The page that asks for confirmation, or says why nothing was done. */
async function selectedPage(
  dependencies: SelectionDependencies,
  shown: {
    readonly viewer: Viewer | null;
    readonly action: BulkAction;
    readonly hostnames: readonly string[];
    /** The table from which it was chosen. */
    readonly back?: string;
    readonly error?: string;
  },
): Promise<string> {
  const { viewer, action, hostnames, back = instancesHref(readVmQuery({})), error = null } = shown;
  const { db, site, randomUuid } = dependencies;
  const running = action === 'download' ? null : await findActiveOperation(db);
  return renderSelected({
    ...{ site, viewer },
    preview: await readPreview(dependencies, action, hostnames),
    running: running && operationView(running),
    idempotencyKey: randomUuid(),
    back,
    error,
  });
}

async function start(
  dependencies: SelectionDependencies,
  kind: SelectedRequest['kind'],
  { body, caller, accept, idempotencyKey }: StartInput,
): Promise<StartReply> {
  const hostnames = [...new Set(body.hostnames)];
  const answer = await dependencies.operations.actOnSelected({
    ...{ kind, hostnames },
    assignmentIds: body.assignment_ids,
    by: callerName(caller),
    idempotencyKey: idempotencyKey ?? body.idempotency_key ?? null,
  });
  const refuse = (reply: Refusal): Promise<StartReply> =>
    refusal(dependencies, { viewer: viewerOf(caller), action: kind, hostnames, accept }, reply);
  const nothing = `Nothing was ${doneWords[kind]}`;
  switch (answer.kind) {
    case 'accepted':
    case 'repeated':
      return accept === 'text/html'
        ? see(operationPageHref(answer.operation.id))
        : accepted(answer.operation);
    case 'busy': {
      const { running } = answer;
      return refuse(
        problem('operation_running', {
          detail: `${nothing}: another operation is running. ${describeOperation(running)}, has not finished yet. Wait until it finishes, or cancel it.`,
          headers: { Location: operationAddress(running) },
          operation: operationView(running),
        }),
      );
    }
    case 'key_reused':
      return refuse(problem('idempotency_key_reused'));
    case 'not_ready':
      return refuse(
        problem('provider_not_ready', { detail: `${nothing}. ${describeFailure(answer.failure)}` }),
      );
  }
}

function accepted(operation: OperationRecord) {
  const headers = { Location: operationAddress(operation) };
  return { status: 202, type: 'application/json', headers, body: operationView(operation) } as const;
}

type Refusal = ProblemReply<'operation_running' | 'idempotency_key_reused' | 'provider_not_ready'>;

/** HTML clients get the page that asks for confirmation again, as things are now. */
async function refusal(
  dependencies: SelectionDependencies,
  asked: Parameters<typeof selectedPage>[1] & { readonly accept: string },
  reply: Refusal,
) {
  const { accept, ...shown } = asked;
  if (accept !== 'text/html') return reply;
  const body = await selectedPage(dependencies, { ...shown, error: reply.body.detail });
  const { status, headers = {} } = reply;
  return { status, type: 'text/html', headers, body } as const;
}

/** Nothing is downloaded if somebody else has one of the VMs than those whom the admin saw: their files would be in the zip. */
async function download(
  dependencies: SelectionDependencies,
  { body, caller, signal }: Input<'downloadSelectedVms'>,
): Promise<Reply<'downloadSelectedVms'>> {
  const hostnames = [...new Set(body.hostnames)];
  const changed = await findChanged(dependencies.db, hostnames, body.assignment_ids);
  if (changed.length > 0) throw selectionChanged(changed);
  const answer = await downloadFrom(dependencies, { caller, signal, hostnames });
  if (answer.ok) return answer.value;
  // Thrown, so that browsers get a page: the answer that they asked for is a file.
  throw new ProblemError(answer.failure.code, answer.failure.extras);
}

/** The contract's bound on `errors` of a problem. */
const ERRORS_MAX = 100;

function selectionChanged(changed: Awaited<ReturnType<typeof findChanged>>): ProblemError {
  const errors = changed
    .slice(0, ERRORS_MAX)
    .map(({ hostname, email }) => ({ field: hostname, code: 'changed', message: changedSentence(email) }));
  const names = namesOrCount(changed.map(({ hostname }) => hostname));
  const detail = `Nothing was downloaded. Since the machines were selected, other participants got some of them: ${names}. Select them again.`;
  return new ProblemError('selection_changed', { detail, errors });
}
