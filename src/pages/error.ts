// Any problem, as a page.
import type { Problem } from '../contract/problems.ts';
import { codeSpans } from './code-spans.ts';
import { layoutView, type Area } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';
import { workshopView, type Workshop } from './workshop.ts';

export type ErrorModel = {
  readonly problem: Problem;
  /** Whose page failed: decides where the way out leads. */
  readonly area: Area;
  readonly workshop?: Workshop;
};

const remedies: Readonly<Record<string, string>> = words.error.byStatus;

/** The page of a problem: what is wrong, what to do, and the way out. */
export function renderError({ problem, area, workshop = {} }: ErrorModel): string {
  return render('error', {
    ...layoutView({ title: problem.title, area, titlePrefix: words.errorPrefix }),
    ...workshopView(workshop),
    detail: { text: codeSpans(problem.detail) },
    status: problem.status,
    code: problem.code,
    requestId: problem.request_id ?? null,
    hasFields: (problem.errors ?? []).length > 0,
    fields: (problem.errors ?? []).map(({ field, message }) => ({ field, message })),
    remedy: remedies[String(problem.status)] ?? words.error.otherwise,
    wayOut:
      area === 'admin'
        ? { href: '/admin', label: words.error.admin }
        : { href: '/', label: words.error.home },
  });
}
