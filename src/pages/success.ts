// The page of a participant's machine: hostname, PIN, and the progress of its connection.
import type { components } from '../contract/openapi.gen.ts';
import { mayConnect, needsNewCommand, stepLabels, stepsOf } from './assignment-steps.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { workshopView, type Workshop } from './workshop.ts';

type Assignment = components['schemas']['Assignment'];

export type SuccessModel = Pick<Assignment, 'id' | 'hostname' | 'pin' | 'email' | 'state' | 'message'> & {
  readonly delivered_at?: string | null;
  /** True where this e-mail had the machine already. */
  readonly returning?: boolean;
  readonly workshop?: Workshop;
};

const steps = ['Command sent', 'Registered with Google', 'Ready to connect'] as const;

/** src/browser/pages/success.ts keeps the page up to date. */
export function renderSuccess(model: SuccessModel): string {
  const { id, hostname, pin, email, state, message, returning = false, workshop = {} } = model;
  return render('success', {
    ...layoutView({ title: 'Your machine', area: 'participant', modules: ['success.js'] }),
    ...workshopView(workshop),
    ...{ id, hostname, pin, email, state, message, returning },
    copyHostname: { copies: hostname, what: 'Machine' },
    copyPin: { copies: pin, what: 'PIN' },
    steps: stepsView(model),
    released: state === 'released',
    connected: mayConnect(state),
    freshOpen: needsNewCommand(state),
  });
}

function stepsView({ state, delivered_at: deliveredAt = null }: SuccessModel): View[] {
  return stepsOf(state, deliveredAt).map((step, index) => ({
    step,
    label: stepLabels[step],
    name: steps[index] ?? '',
  }));
}
