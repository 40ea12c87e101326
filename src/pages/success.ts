// The page of a participant's machine: hostname, PIN, and the progress of its connection.
import type { components } from '../contract/openapi.gen.ts';
import { mayConnect, needsNewCommand, stepLabels, stepsOf } from './assignment-steps.ts';
import { momentView } from './format.ts';
import { layoutView } from './layout.ts';
import { render, type View } from './render.ts';
import { workshopView, type Workshop } from './workshop.ts';

type Assignment = components['schemas']['Assignment'];

/** What the page says about the participant's files. */
export type OwnFilesModel = {
  readonly isClosed: boolean;
  /** Whether files can be fetched from the machine. */
  readonly isReachable: boolean;
  /** When the machine shuts down; null where no time is set. */
  readonly until: string | null;
};

export type SuccessModel = Pick<Assignment, 'id' | 'hostname' | 'pin' | 'email' | 'state' | 'message'> & {
  readonly delivered_at?: string | null;
  /** True where this e-mail had the machine already. */
  readonly returning?: boolean;
  readonly workshop?: Workshop;
  readonly files?: OwnFilesModel | null;
};

const steps = ['Command sent', 'Registered with Google', 'Ready to connect'] as const;

/** src/browser/pages/success.ts keeps the page up to date. */
export function renderSuccess(model: SuccessModel): string {
  const { id, hostname, pin, email, state, message, returning = false, workshop = {}, files = null } = model;
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
    files: files && { ...files, until: momentView(files.until) },
  });
}

function stepsView({ state, delivered_at: deliveredAt = null }: SuccessModel): View[] {
  return stepsOf(state, deliveredAt).map((step, index) => ({
    step,
    label: stepLabels[step],
    name: steps[index] ?? '',
  }));
}
