// What can be done with a machine as it is now, each with what it will do. What cannot be done is not offered.
import { isStatus, isUnhealthy, vmFacts } from '../vms/status.ts';
import type { View } from './render.ts';
import { vmApiHref } from './vm-href.ts';
import type { VmModel } from './vm-model.ts';
import { workSentence } from './vm-work.ts';
import { words } from './words.ts';

type Action = {
  readonly id: string;
  readonly title: string;
  readonly what: string;
  readonly submit: string;
  readonly action: string;
  /** Asked again, before it is done. */
  readonly confirm: boolean;
  readonly danger: boolean;
  /** Why it cannot be done right now. */
  readonly hindrance: string | null;
};

type Words = { readonly title: string; readonly what: string; readonly submit: string };

export function actionViews(model: VmModel): View[] {
  return [...personActions(model), ...machineActions(model)];
}

function action(id: string, said: Words, action: string, more: Partial<Action> = {}): Action {
  const { title, what, submit } = said;
  const plain = { confirm: false, danger: false, hindrance: null };
  return { id, title, what, submit, action, ...plain, ...more };
}

function personActions(model: VmModel): Action[] {
  const { vm, freeCount } = model;
  const { assignment } = vm;
  if (!assignment || assignment.state === 'released') return [];
  const api = vmApiHref(vm.hostname);
  const { allowBrowser, reassign, release } = words.machine;
  const isBroken = isStatus(vm.status, 'failed');
  const another = isBroken ? { ...reassign, what: reassign.whatBroken } : reassign;
  const hindrance = freeCount === 0 ? reassign.none : null;
  const actions = [
    action('allow-browser', allowBrowser, `${api}/allow-browser`),
    action('reassign', another, `${api}/reassign`, { confirm: true, danger: !isBroken, hindrance }),
    action('release', withWork(release, model), `/api/v1/assignments/${assignment.id}/release`, {
      confirm: true,
      danger: true,
    }),
  ];
  // A machine that is lost to its person is replaced before anything else.
  return isBroken ? [...actions.slice(1, 2), ...actions.slice(0, 1), ...actions.slice(2)] : actions;
}

/** What would be lost with it is told where somebody has it, or had it last. */
function withWork(said: Words, model: VmModel): Words {
  const work = workSentence(model);
  return work === null ? said : { ...said, what: `${said.what} ${words.machine.work}: ${work}` };
}

function machineActions(model: VmModel): Action[] {
  const { vm, canRestart } = model;
  const api = vmApiHref(vm.hostname);
  const { markHealthy, restart, destroy, forget } = words.machine;
  const ending = vm.provider === 'external' ? forget : withWork(destroy, model);
  const isIll = isUnhealthy(vmFacts(vm));
  const isEnding = vm.status === 'destroying';
  return [
    ...(isIll ? [action('mark-healthy', markHealthy, `${api}/mark-healthy`)] : []),
    ...(canRestart && !isEnding
      ? [action('restart', restart, `${api}/restart`, { confirm: true, danger: true })]
      : []),
    ...(isEnding ? [] : [action('destroy', ending, `${api}/destroy`, { confirm: true, danger: true })]),
  ];
}
