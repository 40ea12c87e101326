// The page that launches machines.
import type { components } from '../contract/openapi.gen.ts';
import type { FormError } from './index-page.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operation-view.ts';
import { render } from './render.ts';
import { words } from './words.ts';

export type CreateInstancesModel = {
  /** How many a launch may have. */
  readonly maxVms: number;
  /** Why machines cannot be launched right now; null where they can. */
  readonly notReady: { readonly problem: string; readonly remedy: string } | null;
  /** What is in the way; null where nothing is. */
  readonly running: components['schemas']['Operation'] | null;
  readonly error: FormError | null;
  /** What was typed. */
  readonly numVms: string;
  /** What stands in the field of the hours; empty = no end. */
  readonly hours: string;
};

/** The page with the form. */
export function renderCreateInstances(model: CreateInstancesModel): string {
  const { maxVms, notReady, running, error, numVms, hours } = model;
  return render('create-instances', {
    ...layoutView({
      title: words.fleet.create.title,
      area: 'admin',
      current: '/admin/create',
      ...(error && { titlePrefix: words.errorPrefix }),
    }),
    error: error && { message: error.message },
    fieldError: error?.fields?.['num_vms'] ?? null,
    notReady,
    running: running && runningView(running),
    maxVms,
    numVms,
    hours,
    hoursError: error?.fields?.['hours'] ?? null,
  });
}
