// What can be done with a machine as it is now, each with what it will do. What cannot be done is not offered.
import type { View } from './render.ts';
import { vmApiHref } from './vm-href.ts';
import type { VmModel } from './vm-model.ts';
import { workSentence } from './vm-work.ts';
import { words } from './words.ts';

type Deed = {
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

export function deedViews(model: VmModel): View[] {
  return [...personDeeds(model), ...machineDeeds(model)];
}

function deed(id: string, said: Words, action: string, more: Partial<Deed> = {}): Deed {
  const { title, what, submit } = said;
  const plain = { confirm: false, danger: false, hindrance: null };
  return { id, title, what, submit, action, ...plain, ...more };
}

function personDeeds(model: VmModel): Deed[] {
  const { vm, freeCount } = model;
  const { assignment } = vm;
  if (!assignment || assignment.state === 'released') return [];
  const api = vmApiHref(vm.hostname);
  const { letIn, giveAnother, release } = words.machine;
  const isBroken = vm.status === 'error' || vm.status === 'unreachable';
  const another = isBroken ? { ...giveAnother, what: giveAnother.whatBroken } : giveAnother;
  const hindrance = freeCount === 0 ? giveAnother.none : null;
  const deeds = [
    deed('let-in', letIn, `${api}/let-in`),
    deed('give-another', another, `${api}/give-another`, { confirm: true, danger: !isBroken, hindrance }),
    deed('release', withWork(release, model), `/api/v1/assignments/${assignment.id}/release`, {
      confirm: true,
      danger: true,
    }),
  ];
  // A machine that is lost to its person is replaced before anything else.
  return isBroken ? [...deeds.slice(1, 2), ...deeds.slice(0, 1), ...deeds.slice(2)] : deeds;
}

/** What would be lost with it is told where somebody has it, or had it last. */
function withWork(said: Words, model: VmModel): Words {
  const work = workSentence(model);
  return work === null ? said : { ...said, what: `${said.what} ${words.machine.work}: ${work}` };
}

function machineDeeds(model: VmModel): Deed[] {
  const { vm, canRestart } = model;
  const api = vmApiHref(vm.hostname);
  const { markHealthy, restart, destroy, forget } = words.machine;
  const ending = vm.provider === 'external' ? forget : withWork(destroy, model);
  const isIll = vm.status === 'error' || vm.status === 'unreachable' || vm.gpu_health === 'Unhealthy';
  const isEnding = vm.status === 'destroying';
  return [
    ...(isIll ? [deed('mark-healthy', markHealthy, `${api}/mark-healthy`)] : []),
    ...(canRestart && !isEnding
      ? [deed('restart', restart, `${api}/restart`, { confirm: true, danger: true })]
      : []),
    ...(isEnding ? [] : [deed('destroy', ending, `${api}/destroy`, { confirm: true, danger: true })]),
  ];
}
