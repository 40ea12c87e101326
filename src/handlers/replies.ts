// The usual answers: a page, JSON, and where to go.
import { renderRedirect } from '../pages/redirect.ts';

export function page(body: string) {
  return { status: 200, type: 'text/html', body } as const;
}

export function json<T>(body: T) {
  return { status: 200, type: 'application/json', body } as const;
}

/** After a form was sent, the browser loads this page. */
export function see(href: string) {
  return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) } as const;
}
