// The participant's machine: hostname, PIN, and how far its connection is.
import type { components } from '../contract/openapi.gen.ts';
import { mayConnect, needsFreshCommand, stepLabels, stepsOf } from './assignment-steps.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { words } from './words.ts';
import { workshopView, type Workshop } from './workshop.ts';

type Assignment = components['schemas']['Assignment'];

export type SuccessModel = Pick<Assignment, 'id' | 'hostname' | 'pin' | 'email' | 'state' | 'message'> & {
  readonly delivered_at?: string | null;
  /** True where this e-mail had the machine already. */
  readonly returning?: boolean;
  readonly workshop?: Workshop;
};

/** The success page; src/browser/pages/success.ts keeps its state up to date. */
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
    returning: model.returning ?? false,
    released: model.state === 'released',
    connected: mayConnect(model.state),
    freshOpen: needsFreshCommand(model.state),
  });
}

function stepsView({ state, delivered_at: deliveredAt = null }: SuccessModel): View[] {
  return stepsOf(state, deliveredAt).map((step, index) => ({
    step,
    label: stepLabels[step],
    name: words.success.steps[index] ?? '',
  }));
}
