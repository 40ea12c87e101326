// The page that destroys all machines: who is affected, by name, and a name to type.
import type { components } from '../contract/openapi.gen.ts';
import { compareHostnames } from '../vms/hostnames.ts';
import type { FormError } from './index-page.ts';
import { affectedSentence } from './words/fleet.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operation-view.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { stakeView, type StakeModel } from './work.ts';

type Provider = components['schemas']['Provider'];

export type DeleteInstancesModel = {
  /** What must be typed. */
  readonly deployment: string;
  /** The one that this server runs with. */
  readonly provider: Provider;
  readonly machines: readonly {
    readonly hostname: string;
    readonly provider: Provider;
    /** Of the participant; null where nobody has it. */
    readonly email: string | null;
  }[];
  readonly running: components['schemas']['Operation'] | null;
  readonly error: FormError | null;
  /** Absent where nobody was asked. */
  readonly stake?: StakeModel;
};

/** The page with the form. */
export function renderDeleteInstances(model: DeleteInstancesModel): string {
  const { deployment, provider, machines, running, error } = model;
  const comers = machines.filter((machine) => machine.provider === 'external');
  const ours = machines.filter((machine) => machine.provider === provider && machine.provider !== 'external');
  const others = machines.filter((machine) => !ours.includes(machine) && !comers.includes(machine));
  const people = [...ours, ...comers].filter(({ email }) => email !== null);
  return render('delete-instances', {
    ...layoutView({
      title: words.fleet.destroy.title,
      area: 'admin',
      current: '/admin/instances/delete',
      styles: ['operations.css'],
      modules: ['unsaved-work.js'],
      ...(error && { titlePrefix: words.errorPrefix }),
    }),
    error: error && { message: error.message },
    fieldError: error?.fields?.['confirm'] ?? null,
    deployment,
    running: running && runningView(running),
    stake: model.stake ? stakeView(model.stake) : null,
    none: machines.length === 0,
    affected: affectedSentence(ours.length + comers.length, people.length),
    people: namesView(people, ({ hostname, email }) => ({ name: email ?? '', hint: hostname })),
    ours: namesView(ours, machineView),
    comers: namesView(comers, machineView),
    others: namesView(others, machineView),
  });
}

type Machine = DeleteInstancesModel['machines'][number];

function machineView({ hostname, email }: Machine): View {
  return { name: hostname, hint: email ?? words.fleet.destroy.nobody };
}

/** More than these are named too, behind a click: the page is there at once, and its form in sight. */
const NAMES_SHOWN = 100;

/** For the partial `names`; null where there are none. */
function namesView(machines: readonly Machine[], itemOf: (machine: Machine) => View): View | null {
  if (machines.length === 0) return null;
  const items = machines.toSorted((one, other) => compareHostnames(one.hostname, other.hostname)).map(itemOf);
  const rest = items.slice(NAMES_SHOWN);
  const summary = words.fleet.destroy.more.replace('{n}', String(rest.length));
  return { first: items.slice(0, NAMES_SHOWN), more: rest.length === 0 ? null : { summary, rest } };
}
