// The page that destroys all machines: names the machines and participants, and asks for the deployment's name.
import type { components } from '../contract/openapi.gen.ts';
import type { Viewer } from '../contract/role.ts';
import { byHostname } from '../vms/hostnames.ts';
import { counted } from './format.ts';
import type { FormError } from './index-page.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operations.ts';
import { render, type View } from './render.ts';
import { unsavedWorkView, type UnsavedWorkModel } from './work.ts';

type Machine = {
  readonly hostname: string;
  /** Of the participant; null where there is none. */
  readonly email: string | null;
  /** What a destroy does with it: its row goes with or without the machine, or nothing happens to it. */
  readonly fate: 'destroyed' | 'removed' | 'stays';
};

export type DeleteInstancesModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  /** The name to type. */
  readonly deployment: string;
  readonly machines: readonly Machine[];
  readonly running: components['schemas']['Operation'] | null;
  readonly error: FormError | null;
  readonly unsavedWork?: UnsavedWorkModel;
};

export function renderDeleteInstances(model: DeleteInstancesModel): string {
  const { deployment, machines, running, error, unsavedWork } = model;
  const ours = machines.filter(({ fate }) => fate === 'destroyed');
  const external = machines.filter(({ fate }) => fate === 'removed');
  const others = machines.filter(({ fate }) => fate === 'stays');
  const participants = [...ours, ...external].filter(({ email }) => email !== null);
  // External machines keep running: where there are no others, nothing is destroyed.
  const onlyRemoves = ours.length === 0 && external.length > 0;
  return render('delete-instances', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: onlyRemoves ? 'Remove all machines from the list' : 'Destroy all machines',
      area: 'admin',
      current: '/admin/instances',
      styles: ['operations.css'],
      modules: ['unsaved-work.js'],
      isError: error !== null,
    }),
    onlyRemoves,
    error: error && { message: error.message },
    fieldError: error?.fields?.['confirm'] ?? null,
    deployment,
    running: running && runningView(running),
    unsavedWork: unsavedWork ? unsavedWorkView(unsavedWork) : null,
    affected: affectedSentence(ours.length, external.length, participants.length),
    ours: namesView(ours),
    external: namesView(external),
    others: namesView(others),
  });
}

/** `40 machines will be destroyed; 7 participants will lose theirs.` Null where there are no machines. */
function affectedSentence(ours: number, external: number, participants: number): string | null {
  const destroyed = `${counted(ours, 'machine')} will be destroyed`;
  const removed = `${counted(external, 'machine')} will be removed from the list`;
  const what = [...(ours > 0 ? [destroyed] : []), ...(external > 0 ? [removed] : [])].join(', ');
  if (what === '') return null;
  if (participants === 0) return `${what}; none is assigned.`;
  return `${what}; ${counted(participants, 'participant')} will lose theirs.`;
}

/** More names are behind a click, so that the page loads quickly and its form stays in sight. */
const NAMES_SHOWN = 100;

/** For the partial `names`; null where there are none. Participants come first. */
function namesView(machines: readonly Machine[]): View | null {
  if (machines.length === 0) return null;
  const items = machines
    .toSorted(
      (one, other) => Number(one.email === null) - Number(other.email === null) || byHostname(one, other),
    )
    .map(({ hostname, email }) => ({ email, hostname }));
  const rest = items.slice(NAMES_SHOWN);
  return { first: items.slice(0, NAMES_SHOWN), more: rest.length > 0 && { count: rest.length, rest } };
}
