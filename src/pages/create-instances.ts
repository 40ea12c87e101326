// The page that launches machines.
import type { components } from '../contract/openapi.gen.ts';
import { codeSpans } from './code-spans.ts';
import type { FormError } from './index-page.ts';
import { launchFormView, type LaunchFormModel } from './launch-form.ts';
import { layoutView } from './layout.ts';
import { runningView } from './operation-view.ts';
import { render } from './render.ts';
import { words } from './words.ts';

export type CreateInstancesModel = LaunchFormModel & {
  /** Why machines cannot be launched right now; null where they can. */
  readonly notReady: { readonly problem: string; readonly remedy: string } | null;
  /** What is in the way; null where nothing is. */
  readonly running: components['schemas']['Operation'] | null;
  readonly error: FormError | null;
};

/** The page with the form. */
export function renderCreateInstances(model: CreateInstancesModel): string {
  const { notReady, running, error } = model;
  const isWrong = error !== null || (model.people !== null && model.people.count === null);
  return render('create-instances', {
    ...layoutView({
      title: words.fleet.create.title,
      area: 'admin',
      current: '/admin/create',
      styles: ['operations.css'],
      modules: ['launch.js'],
      ...(isWrong && { titlePrefix: words.errorPrefix }),
    }),
    error: error && { message: error.message },
    notReady: notReady && {
      problem: { text: codeSpans(notReady.problem) },
      remedy: { text: codeSpans(notReady.remedy) },
    },
    running: running && runningView(running),
    launch: launchFormView(model, error),
  });
}
