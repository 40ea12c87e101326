// The actions that are possible with a machine in its present state, each with its effect.
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { components } from '../contract/openapi.gen.ts';
import { mayCall, type Viewer } from '../contract/role.ts';
import { isStatus } from '../vms/lifecycle.ts';
import { isUnhealthy, vmFacts } from '../vms/status.ts';
import type { View } from './render.ts';
import { vmApiHref } from './hrefs.ts';

export type ActionFacts = {
  readonly vm: components['schemas']['Vm'];
  readonly freeCount: number;
  readonly canRestart: boolean;
  /** Its provider creates and destroys machines; otherwise the machine started elsewhere. */
  readonly isCreatedHere: boolean;
  /** When the participant's work was downloaded; null for a machine without a participant. */
  readonly work: string | null;
  /** Who would do it; not known = an admin. */
  readonly viewer?: Viewer | null | undefined;
};

/** Other actions are for instructors too. */
const endpointsOfAdmins: Readonly<Record<string, EndpointId>> = { destroy: 'destroyVm', token: 'issueToken' };

type Action = {
  readonly id: string;
  readonly label: string;
  readonly what: string;
  /** The admin is asked to confirm; `danger`: something would be lost. */
  readonly ask: 'no' | 'confirm' | 'danger';
};

const allowBrowser: Action = {
  id: 'allow-browser',
  label: 'Allow a new browser',
  what: 'For a participant who has lost both browser and PIN, or whose e-mail address somebody else used. The browsers that have access lose it, and the PIN changes. For ten minutes, the next other browser that submits the form with this e-mail address is let in without the PIN, once. Anyone who submits it first gets in, so do this when the participant is ready.',
  ask: 'confirm',
};
const reassign: Action = {
  id: 'reassign',
  label: 'Assign another machine',
  what: 'The participant gets a free machine with the same PIN, and their page shows it. Their files stay on this machine and are deleted when it is reset: download them first. If the command was already used, the participant is asked for a new one.',
  ask: 'danger',
};
const replace: Action = {
  ...reassign,
  what: 'The participant gets a free machine with the same PIN, and their page shows it. This machine stays as it is until you mark it as healthy, restart it or destroy it. If the command was already used, the participant is asked for a new one.',
  ask: 'confirm',
};
const moveAndEnd: Action = {
  id: 'reassign-end-browsers',
  label: 'Assign another machine with a new PIN',
  what: 'For a participant whose machine was used by somebody else. Like “Assign another machine”, and the browsers that have access lose it: the participant submits the form again within ten minutes, or with the new PIN.',
  ask: 'danger',
};
const release: Action = {
  id: 'release',
  label: 'Release machine',
  what: 'Ends the assignment. The agent deletes the participant’s files, then the machine becomes free. Agents of older images cannot do this; their machines stay as they are until you destroy them.',
  ask: 'danger',
};
const markHealthy: Action = {
  id: 'mark-healthy',
  label: 'Mark as healthy',
  what: 'Clears the error or warning, so that the machine can be assigned. The warning comes back if the problem persists.',
  ask: 'no',
};
const restart: Action = {
  id: 'restart',
  label: 'Restart machine',
  what: 'Stops and restarts all programs on the machine. Unsaved work is lost; files are kept. The machine is not assigned to anyone until it reports again.',
  ask: 'danger',
};
const destroy: Action = {
  id: 'destroy',
  label: 'Destroy machine',
  what: 'Destroys the machine and everything on it. This cannot be undone.',
  ask: 'danger',
};
const newToken: Action = {
  id: 'token',
  label: 'Issue a new token',
  what: 'For a machine whose token was lost. The old token is not accepted any more, so the agent needs the new one, which is shown once.',
  ask: 'danger',
};
const remove: Action = {
  id: 'destroy',
  label: 'Remove from the list',
  what: 'This server did not launch this machine, so it keeps running. It is only removed from the list; you can register it again at any time. If it needs no token, its next report brings it back.',
  ask: 'danger',
};

export function actionViews(facts: ActionFacts): View[] {
  const { viewer } = facts;
  const isOffered = ({ id }: { readonly id: string }): boolean => {
    const endpoint = endpointsOfAdmins[id];
    return endpoint === undefined || !viewer || mayCall(viewer.role, endpoint);
  };
  return [...participantActions(facts), ...machineActions(facts)].filter(isOffered);
}

function participantActions({ vm, freeCount, work }: ActionFacts) {
  const { assignment, status, hostname } = vm;
  if (!assignment || assignment.state === 'released') return [];
  const isBroken = isStatus(status, 'failed');
  const noneFree = freeCount === 0 ? 'No machine is free right now.' : null;
  const { email } = assignment;
  const another = view(isBroken ? replace : reassign, hostname, { hindrance: noneFree, email, work });
  const allow = view(allowBrowser, hostname, { email });
  const ending = view(moveAndEnd, hostname, {
    href: `${vmApiHref(hostname)}/reassign?end_browsers=true`,
    ...{ hindrance: noneFree, email, work },
  });
  const href = `/api/v1/assignments/${assignment.id}/release`;
  const first = isBroken ? [another, allow] : [allow, another];
  return [...first, ending, view(release, hostname, { work, href, email })];
}

function machineActions({ vm, canRestart, isCreatedHere, work }: ActionFacts) {
  const { status, hostname } = vm;
  const email = vm.assignment?.state === 'released' ? null : (vm.assignment?.email ?? null);
  const healthy = isUnhealthy(vmFacts(vm)) ? [view(markHealthy, hostname)] : [];
  if (status === 'destroying') return healthy;
  return [
    ...healthy,
    ...(canRestart ? [view(restart, hostname, { email })] : []),
    ...(isCreatedHere
      ? [view(destroy, hostname, { work, email })]
      : [view(newToken, hostname), view(remove, hostname, { email })]),
  ];
}

type Circumstances = {
  readonly work?: string | null;
  readonly href?: string;
  /** Why the action is not possible right now. */
  readonly hindrance?: string | null;
  /** The participant who is affected. */
  readonly email?: string | null;
};

function view({ id, label, what, ask }: Action, hostname: string, circumstances: Circumstances = {}) {
  const {
    work = null,
    href = `${vmApiHref(hostname)}/${id}`,
    hindrance = null,
    email = null,
  } = circumstances;
  const question = { key: id, about: hostname, who: email, work, danger: ask === 'danger' };
  return { id, label, what, action: href, hindrance, dialog: ask === 'no' ? null : question };
}
