// Which of the declared media types the client likes best.
import type { Request } from 'express';
import type { Endpoint } from '../contract/erased.ts';

const HTML = 'text/html';

/** The media types of success (a page that is led to is one), in the order of the contract. */
export function successTypes({ responses }: Endpoint): readonly string[] {
  return [
    ...new Set(Object.entries(responses).flatMap(([status, types]) => (/^[23]/.test(status) ? types : []))),
  ];
}

/** Among the types of success; the first one where the client says nothing, or likes none of them. */
export function preferredType(req: Request, types: readonly string[]): string {
  const [first = ''] = types;
  if (types.length < 2) return first;
  const liked = req.accepts([...types]);
  return typeof liked === 'string' ? liked : first;
}

/** Whether an error is to be told as a page where the contract does not say how: at an unknown address. */
export function prefersHtml(req: Request): boolean {
  return req.accepts(['application/problem+json', 'application/json', HTML]) === HTML;
}

/** Whether the problems of this status are told as a page by this endpoint, to this client. */
export function answersHtml(req: Request, endpoint: Endpoint, status: number): boolean {
  const declared = endpoint.responses[String(status)];
  const types = successTypes(endpoint);
  if (declared && !declared.includes(HTML)) return false;
  if (declared?.includes('application/problem+json')) return preferredType(req, types) === HTML;
  return declared !== undefined || preferredType(req, types) === HTML;
}
