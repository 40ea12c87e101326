// Media types: which of the declared ones the client prefers, and which are JSON.
import type { Request } from 'express';
import type { Endpoint } from '../contract/erased.ts';

const HTML = 'text/html';

/** The media types of success and of redirects, in the order of the contract. */
export function successTypes({ responses }: Endpoint): readonly string[] {
  return [
    ...new Set(Object.entries(responses).flatMap(([status, types]) => (/^[23]/.test(status) ? types : []))),
  ];
}

/** The first type where the client says nothing, or accepts none of them; JSON, if there is one, for a client that sends JSON. */
export function preferredType(req: Request, types: readonly string[]): string {
  const [first = ''] = types;
  if (types.length < 2) return first;
  if (sendsJson(req) && (req.get('accept') ?? ANYTHING) === ANYTHING) return types.find(isJsonType) ?? first;
  const preferred = req.accepts([...types]);
  return typeof preferred === 'string' ? preferred : first;
}

const ANYTHING = '*/*';

function sendsJson(req: Request): boolean {
  return isJsonType((req.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '');
}

/** Whether an error at an unknown address is answered with a page. */
export function prefersHtml(req: Request): boolean {
  return req.accepts(['application/problem+json', 'application/json', HTML]) === HTML;
}

/** Whether the endpoint answers problems of this status with a page, to this client. */
export function answersHtml(req: Request, endpoint: Endpoint, status: number): boolean {
  const declared = endpoint.responses[String(status)];
  const types = successTypes(endpoint);
  if (declared && !declared.includes(HTML)) return false;
  if (declared?.includes('application/problem+json')) {
    // The success may be a file, which says nothing about how the client reads problems.
    const isFile = !types.some((type) => type === HTML || isJsonType(type));
    return isFile ? prefersHtml(req) : preferredType(req, types) === HTML;
  }
  return declared !== undefined || preferredType(req, types) === HTML;
}

export function isJsonType(type: string): boolean {
  return type === 'application/json' || type === 'application/problem+json';
}
