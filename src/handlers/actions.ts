// The actions of an admin on one VM and its participant. JSON clients get the VM as it is afterwards; HTML clients are
// redirected to the page of the VM, or get it with the reason why the action failed.
import { isOwn } from '../provision/providers.ts';
import { callerName } from '../contract/caller.ts';
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import {
  allowBrowser,
  beginRestart,
  describeEnded,
  markHealthy,
  reassign,
  undoRestart,
} from '../db/vm-actions.ts';
import type { Opening } from '../db/vm-actions.ts';
import { readTimeline } from '../db/vm-timeline.ts';
import { replaceToken } from '../db/registration.ts';
import { makePin } from '../vms/pin.ts';
import { describeFailure } from '../result.ts';
import { restartHindrance } from '../vms/selected.ts';
import { hashToken, makeVmToken } from '../vms/token.ts';
import { redirectToVm, type ActionName } from './redirect-to-vm.ts';
import { json, page } from './replies.ts';
import { timelineEntryView, viewContext, vmView } from './views.ts';
import { existingVm, vmPage, vmPageProblem, type VmPageDependencies } from './vm-page.ts';

export type ActionsDependencies = VmPageDependencies & {
  /** The NOTIFY channel. */
  readonly channel: string;
  readonly randomUuid: () => string;
  readonly randomInt: (below: number) => number;
  readonly randomBytes: (count: number) => Buffer;
};

/** How long the next browser does not need the PIN. */
const ALLOW_BROWSER_SECONDS = 600;

type ActionInput = Pick<Input<'allowBrowser'>, 'path' | 'caller' | 'accept'>;

export function createActionsHandlers(dependencies: ActionsDependencies): HandlersOf<'actions'> {
  const { db } = dependencies;
  return {
    allowBrowser: async (input) => {
      const allowed = await allowBrowser(db, actionOf(input), newOpening(dependencies));
      if (!allowed) return notAssigned(dependencies, input);
      const message = `The PIN is new, and ${describeEnded(allowed.ended)}. For ten minutes, the next other browser that submits the form with ${allowed.email} does not need the PIN.`;
      return done(dependencies, input, { action: 'allow-browser', message });
    },
    reassignVm: (input) => reassignVm(dependencies, input),
    markVmHealthy: async (input) => {
      if (!(await markHealthy(db, actionOf(input)))) throw new ProblemError('vm_not_found');
      const message = 'The machine counts as healthy until it reports otherwise.';
      return done(dependencies, input, { action: 'mark-healthy', message });
    },
    restartVm: (input) => restartVm(dependencies, input),
    issueToken: (input) => issueToken(dependencies, input),
    getVmTimeline: async ({ path: { hostname } }) => {
      await existingVm(db, hostname);
      return json({ items: (await readTimeline(db, hostname)).map(timelineEntryView) });
    },
  };
}

function newOpening({ randomInt }: ActionsDependencies): Opening {
  return { pin: makePin(randomInt), windowSeconds: ALLOW_BROWSER_SECONDS };
}

async function reassignVm(
  dependencies: ActionsDependencies,
  input: Input<'reassignVm'>,
): Promise<Reply<'reassignVm'>> {
  const { db, channel, randomUuid } = dependencies;
  const opening = input.query.end_browsers === true ? newOpening(dependencies) : null;
  const moved = await reassign(db, { ...actionOf(input), releasedCopyId: randomUuid(), channel, opening });
  switch (moved.kind) {
    case 'not_assigned':
      return notAssigned(dependencies, input);
    case 'none_free': {
      const detail = 'No machine is free, so nothing was changed. Launch or release one.';
      return vmPageProblem(dependencies, input, problem('none_free', { detail }));
    }
    case 'moved': {
      const message = `${moved.to} is now assigned to ${moved.email}.`;
      return done(dependencies, input, { action: 'reassign', hostname: moved.to, message });
    }
  }
}

async function restartVm(dependencies: ActionsDependencies, input: ActionInput): Promise<Reply<'restartVm'>> {
  const { db, operations } = dependencies;
  const { hostname } = input.path;
  const cannot = (detail: string) =>
    vmPageProblem(dependencies, input, problem('cannot_restart', { detail }));
  const vm = await existingVm(db, hostname);
  if (!operations.restart || !isOwn(vm, operations.provider.name))
    return cannot(restartHindrance(vm.provider));
  const before = await beginRestart(db, actionOf(input));
  if (!before) return cannot('The machine is being destroyed; it cannot be restarted.');
  const result = await operations.restart(hostname);
  if (result.ok)
    return done(dependencies, input, { action: 'restart', message: 'The machine is restarting.' });
  await undoRestart(db, hostname, before.status);
  const detail = `The machine was not restarted. ${describeFailure(result.failure)}`;
  return vmPageProblem(dependencies, input, problem('restart_failed', { detail }));
}

/** The page shows the token once, and so does the answer. */
async function issueToken(
  dependencies: ActionsDependencies,
  input: Input<'issueToken'>,
): Promise<Reply<'issueToken'>> {
  const { db } = dependencies;
  const { hostname } = input.path;
  const token = makeVmToken(dependencies.randomBytes);
  if (!(await replaceToken(db, actionOf(input), hashToken(token)))) throw new ProblemError('vm_not_found');
  if (input.accept === 'text/html')
    return page(
      await vmPage(dependencies, hostname, {
        viewer: viewerOf(input.caller),
        done: null,
        error: null,
        token,
      }),
    );
  return json({ vm: vmView(await existingVm(db, hostname), viewContext(dependencies)), token });
}

function actionOf({ path, caller }: Pick<ActionInput, 'path' | 'caller'>) {
  return { hostname: path.hostname, by: callerName(caller) };
}

async function notAssigned(dependencies: ActionsDependencies, input: ActionInput) {
  await existingVm(dependencies.db, input.path.hostname);
  return vmPageProblem(dependencies, input, problem('vm_not_assigned'));
}

/** `hostname`: the VM to show, if it is not the one of the request. */
async function done(
  dependencies: ActionsDependencies,
  { path, accept }: ActionInput,
  result: { readonly action: ActionName; readonly hostname?: string; readonly message: string },
) {
  const { action, hostname = path.hostname, message } = result;
  if (accept === 'text/html') return redirectToVm(hostname, action);
  const vm = await existingVm(dependencies.db, hostname);
  return json({ message, vm: vmView(vm, viewContext(dependencies)) });
}
