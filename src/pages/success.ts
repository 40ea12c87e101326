// The participant's machine: hostname, PIN, and how far its connection is.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from '../vms/assignment.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { stepsByState } from './words/participant.ts';
import { workshopView, type Workshop } from './workshop.ts';

type Assignment = components['schemas']['Assignment'];

export type SuccessModel = Pick<Assignment, 'id' | 'hostname' | 'pin' | 'email' | 'state' | 'message'> & {
  readonly delivered_at?: string | null;
  /** True where this e-mail had the machine already. */
  readonly returning?: boolean;
  readonly workshop?: Workshop;
};

/** In these states the machine needs a fresh command: its form is open. */
const needsFreshCommand: ReadonlySet<AssignmentState> = new Set<AssignmentState>(['failed', 'expired']);

/** The success page; templates/public/success.js keeps its state up to date. */
export function renderSuccess(model: SuccessModel): string {
  return render('success', {
    ...layoutView({ title: words.success.title, area: 'participant', modules: ['success.js'] }),
    ...workshopView(model.workshop ?? {}),
    id: model.id,
    hostname: model.hostname,
    pin: model.pin,
    copyHostname: { copies: model.hostname, what: words.success.hostname },
    copyPin: { copies: model.pin, what: words.success.pin },
    email: model.email,
    state: model.state,
    message: model.message,
    steps: stepsView(model),
    /** For the module: the same as JSON. */
    live: JSON.stringify({
      steps: stepsByState,
      labels: words.success.stepStates,
      gone: words.success.gone,
    }),
    returning: model.returning ?? false,
    released: model.state === 'released',
    connected: model.state === 'connected' || model.state === 'sent_unconfirmed',
    freshOpen: needsFreshCommand.has(model.state),
  });
}

function stepsView({ state, delivered_at: deliveredAt }: SuccessModel): View[] {
  const wasSent = deliveredAt !== null && deliveredAt !== undefined;
  return stepsByState[state === 'expired' && wasSent ? 'expired_sent' : state].map((step, index) => ({
    step,
    label: words.success.stepStates[step],
    name: words.success.steps[index] ?? '',
  }));
}
