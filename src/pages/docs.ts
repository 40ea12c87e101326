// The docs page: the contract in Swagger UI, served from this server, and the catalogue of problems.
import { problems } from '../contract/problems.ts';
import { codeSpans } from './format.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';

/** The `type` of a problem is the address `/docs#problem-<code>`. */
export function renderDocs(site?: string): string {
  return render('docs', {
    ...layoutView({
      title: 'API docs',
      area: 'docs',
      site,
      current: '/docs',
      styles: ['swagger-ui.css'],
      scripts: ['swagger-ui-bundle.js'],
      modules: ['docs.js'],
    }),
    problems: Object.entries(problems).map(([code, { status, title, detail }]) => ({
      ...{ code, status, title },
      detail: codeSpans(detail),
    })),
  });
}
