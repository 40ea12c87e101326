// The body of an answer that redirects to the page of a machine or an operation.
import { layoutView } from './layout.ts';
import { render } from './render.ts';

export function renderRedirect(href: string): string {
  return render('redirect', { ...layoutView({ title: 'Done', area: 'admin' }), href });
}
