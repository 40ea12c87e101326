// What an admin does about one machine and its participant. To programs the machine as it is then; people are led to its
// page, which says what was done, or stays with the reason why not.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type ProblemReply } from '../contract/problems.ts';
import { beginRestart, reassign, allowBrowser, markHealthy, undoRestart } from '../db/vm-actions.ts';
import { readTimeline } from '../db/vm-timeline.ts';
import { findVm } from '../db/vms.ts';
import { callerName } from '../contract/caller.ts';
import { vmPage, type VmPageDependencies } from './vm-page.ts';
import { redirectToVm, type ActionName } from './redirect-to-vm.ts';
import { timelineEntryView, viewContext, vmView } from './views.ts';
import { describeFailure } from '../result.ts';

export type ActionsDependencies = VmPageDependencies & {
  /** The NOTIFY channel. */
  readonly channel: string;
  readonly randomUuid: () => string;
};

/** For so long somebody is let in without a PIN: they stand before the admin. */
const ALLOW_BROWSER_SECONDS = 600;

type Asked = Input<'allowBrowser'>;
type Refusal = ProblemReply<
  'vm_not_found' | 'vm_not_assigned' | 'none_free' | 'cannot_restart' | 'restart_failed'
>;
type Done = { readonly done: ActionName; readonly hostname: string; readonly message: string };

export function createActionsHandlers(dependencies: ActionsDependencies): HandlersOf<'actions'> {
  const { db } = dependencies;
  return {
    allowBrowser: async (input) => tell(dependencies, input, await allowNextBrowser(dependencies, input)),
    reassignVm: async (input) => tell(dependencies, input, await moveOn(dependencies, input)),
    markVmHealthy: async (input) => {
      const answer = await tell(dependencies, input, await takeBack(dependencies, input));
      // It has nothing that could be in its way.
      if (answer.status === 409) throw new Error('a machine cannot be marked healthy');
      return answer;
    },
    restartVm: async (input) => tell(dependencies, input, await restart(dependencies, input)),
    getVmTimeline: async ({ path: { hostname } }) => {
      if (!(await findVm(db, hostname))) return problem('vm_not_found');
      const items = (await readTimeline(db, hostname)).map(timelineEntryView);
      return { status: 200, type: 'application/json', body: { items } };
    },
  };
}

async function allowNextBrowser({ db }: ActionsDependencies, input: Asked): Promise<Done | Refusal> {
  const { hostname } = input.path;
  const opened = await allowBrowser(db, doing(input), ALLOW_BROWSER_SECONDS);
  if (!opened) return notAssigned({ db }, hostname);
  const message = `For ten minutes, the next browser that submits the form with ${opened.email} does not need the PIN.`;
  return { done: 'allow-browser', hostname, message };
}

async function moveOn(
  { db, channel, randomUuid }: ActionsDependencies,
  input: Asked,
): Promise<Done | Refusal> {
  const moved = await reassign(db, { ...doing(input), releasedCopyId: randomUuid(), channel });
  switch (moved.kind) {
    case 'not_assigned':
      return notAssigned({ db }, input.path.hostname);
    case 'none_free':
      return problem('none_free', {
        detail: 'No machine is free, so nothing was changed. Launch or release one.',
      });
    case 'moved':
      return {
        done: 'reassign',
        hostname: moved.to,
        message: `${moved.to} is now assigned to ${moved.email}.`,
      };
  }
}

async function takeBack({ db }: ActionsDependencies, input: Asked): Promise<Done | Refusal> {
  const { hostname } = input.path;
  if (!(await markHealthy(db, doing(input)))) return problem('vm_not_found');
  return {
    done: 'mark-healthy',
    hostname,
    message: 'The machine counts as healthy until it reports otherwise.',
  };
}

async function restart({ db, operations }: ActionsDependencies, input: Asked): Promise<Done | Refusal> {
  const { hostname } = input.path;
  const vm = await findVm(db, hostname);
  if (!vm) return problem('vm_not_found');
  if (!operations.restart || vm.provider !== operations.providerName)
    return problem('cannot_restart', {
      detail: `Machines of the provider ${vm.provider} cannot be restarted from here.`,
    });
  const before = await beginRestart(db, doing(input));
  if (!before)
    return problem('cannot_restart', { detail: 'The machine is being destroyed; it cannot be restarted.' });
  const result = await operations.restart(hostname);
  if (result.ok) return { done: 'restart', hostname, message: 'The machine is restarting.' };
  await undoRestart(db, hostname, before.status);
  return problem('restart_failed', {
    detail: `The machine was not restarted. ${describeFailure(result.failure)}`,
  });
}

function doing({ path, caller }: Asked) {
  return { hostname: path.hostname, by: callerName(caller) };
}

async function notAssigned({ db }: Pick<ActionsDependencies, 'db'>, hostname: string): Promise<Refusal> {
  return (await findVm(db, hostname)) ? problem('vm_not_assigned') : problem('vm_not_found');
}

async function tell(
  dependencies: ActionsDependencies,
  { path, accept }: Asked,
  result: Done | Refusal,
): Promise<Reply<'allowBrowser'> & Reply<'restartVm'>> {
  if ('done' in result) {
    if (accept === 'text/html') return redirectToVm(result.hostname, result.done);
    const vm = await findVm(dependencies.db, result.hostname);
    if (!vm) return problem('vm_not_found');
    const body = { message: result.message, vm: vmView(vm, viewContext(dependencies)) };
    return { status: 200, type: 'application/json', body };
  }
  if (accept !== 'text/html') return result;
  if (result.status === 404) throw new ProblemError('vm_not_found');
  const body = await vmPage(dependencies, path.hostname, { done: null, error: result.body.detail });
  if (body === null) throw new ProblemError('vm_not_found');
  return { status: result.status, type: 'text/html', body, headers: result.headers ?? {} };
}
