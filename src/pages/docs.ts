// The docs page: the contract in Swagger UI, served from here, and the catalogue of problems.
import { problems } from '../contract/problems.ts';
import { codeSpans } from './code-spans.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';

/** The docs page. `#problem-<code>` is where the `type` of a problem leads. */
export function renderDocs(): string {
  return render('docs', {
    ...layoutView({
      title: words.docs.title,
      area: 'docs',
      styles: ['swagger-ui.css'],
      scripts: ['swagger-ui-bundle.js'],
      modules: ['docs.js'],
    }),
    problems: Object.entries(problems).map(([code, { status, title, detail }]) => ({
      code,
      status,
      title,
      detail: { text: codeSpans(detail) },
    })),
  });
}
