// The participant's machine: hostname, PIN, and how far its connection is.
import type { components } from '../contract/openapi.gen.ts';
import type { AssignmentState } from '../vms/assignment.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';

type Assignment = components['schemas']['Assignment'];

export type SuccessModel = Pick<Assignment, 'id' | 'hostname' | 'pin' | 'email' | 'state' | 'message'> & {
  /** True where this e-mail had the machine already. */
  readonly returning?: boolean;
};

/** In these states the machine needs a fresh command: its form is open. */
const needsFreshCommand: ReadonlySet<AssignmentState> = new Set<AssignmentState>(['failed', 'expired']);

/** The success page; templates/public/assignment.js keeps its state up to date. */
export function renderSuccess(model: SuccessModel): string {
  return render('success', {
    ...layoutView({ title: words.success.title, area: 'participant', modules: ['assignment.js'] }),
    id: model.id,
    hostname: model.hostname,
    pin: model.pin,
    email: model.email,
    state: model.state,
    message: model.message,
    returning: model.returning ?? false,
    released: model.state === 'released',
    freshOpen: needsFreshCommand.has(model.state),
  });
}
