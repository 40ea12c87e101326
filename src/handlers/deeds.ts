// What an admin does about one machine and its participant. To programs the machine as it is then; people are led to its
// page, which says what was done, or stays with the reason why not.
import type { HandlersOf, Input, Reply } from '../contract/handlers.ts';
import { problem, ProblemError, type ProblemReply } from '../contract/problems.ts';
import { beginRestart, giveAnother, letIn, markHealthy, undoRestart } from '../db/deeds.ts';
import { readTimeline } from '../db/vm-timeline.ts';
import { findVm } from '../db/vms.ts';
import { nameOf } from './fleet.ts';
import { machinePage, type MachineDependencies } from './machine-page.ts';
import { seeMachine, type DeedName } from './see-machine.ts';
import { timelineEntryView } from './timeline-view.ts';
import { viewContext, vmView } from './views.ts';

export type DeedsDependencies = MachineDependencies & {
  /** The NOTIFY channel. */
  readonly channel: string;
  readonly randomUuid: () => string;
};

/** For so long somebody is let in without a PIN: they stand before the admin. */
const LET_IN_SECONDS = 600;

type Asked = Input<'letPersonIn'>;
type Refusal = ProblemReply<
  'vm_not_found' | 'vm_not_assigned' | 'none_free' | 'cannot_restart' | 'restart_failed'
>;
type Done = { readonly done: DeedName; readonly hostname: string; readonly message: string };

export function createDeedsHandlers(dependencies: DeedsDependencies): HandlersOf<'deeds'> {
  const { db } = dependencies;
  return {
    letPersonIn: async (input) => tell(dependencies, input, await letPersonIn(dependencies, input)),
    giveAnotherVm: async (input) => tell(dependencies, input, await moveOn(dependencies, input)),
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

async function letPersonIn({ db }: DeedsDependencies, input: Asked): Promise<Done | Refusal> {
  const { hostname } = input.path;
  const opened = await letIn(db, doing(input), LET_IN_SECONDS);
  if (!opened) return notAssigned({ db }, hostname);
  const message = `For ten minutes, the next browser that sends the form with ${opened.email} is let in without the PIN.`;
  return { done: 'let-in', hostname, message };
}

async function moveOn({ db, channel, randomUuid }: DeedsDependencies, input: Asked): Promise<Done | Refusal> {
  const moved = await giveAnother(db, { ...doing(input), remainsId: randomUuid(), channel });
  switch (moved.kind) {
    case 'not_assigned':
      return notAssigned({ db }, input.path.hostname);
    case 'none_free':
      return problem('none_free', {
        detail: 'No machine is free. Launch one more, or release one; nothing was changed.',
      });
    case 'moved':
      return { done: 'give-another', hostname: moved.to, message: `${moved.email} has ${moved.to} now.` };
  }
}

async function takeBack({ db }: DeedsDependencies, input: Asked): Promise<Done | Refusal> {
  const { hostname } = input.path;
  if (!(await markHealthy(db, doing(input)))) return problem('vm_not_found');
  return {
    done: 'mark-healthy',
    hostname,
    message: 'The machine counts as healthy until it reports otherwise.',
  };
}

async function restart({ db, operations }: DeedsDependencies, input: Asked): Promise<Done | Refusal> {
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
  if (result.ok) return { done: 'restart', hostname, message: 'The machine was restarted.' };
  await undoRestart(db, hostname, before.status);
  return problem('restart_failed', { detail: `It was not restarted. ${result.problem} ${result.remedy}` });
}

function doing({ path, caller }: Asked) {
  return { hostname: path.hostname, by: nameOf(caller) };
}

async function notAssigned({ db }: Pick<DeedsDependencies, 'db'>, hostname: string): Promise<Refusal> {
  return (await findVm(db, hostname)) ? problem('vm_not_assigned') : problem('vm_not_found');
}

async function tell(
  dependencies: DeedsDependencies,
  { path, accept }: Asked,
  result: Done | Refusal,
): Promise<Reply<'letPersonIn'> & Reply<'restartVm'>> {
  if ('done' in result) {
    if (accept === 'text/html') return seeMachine(result.hostname, result.done);
    const vm = await findVm(dependencies.db, result.hostname);
    if (!vm) return problem('vm_not_found');
    const body = { message: result.message, vm: vmView(vm, viewContext(dependencies)) };
    return { status: 200, type: 'application/json', body };
  }
  if (accept !== 'text/html') return result;
  if (result.status === 404) throw new ProblemError('vm_not_found');
  const body = await machinePage(dependencies, path.hostname, { done: null, error: result.body.detail });
  if (body === null) throw new ProblemError('vm_not_found');
  return { status: result.status, type: 'text/html', body, headers: result.headers ?? {} };
}
