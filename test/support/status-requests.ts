// Builds requests that provoke each status of the contract, for every endpoint, in the same way if possible. The caller
// sends them.
import { randomUUID } from 'node:crypto';
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { exampleRequest, infoOf } from './contract-examples.ts';
import type { RawRequest } from './raw-http.ts';

/** Requests for statuses that all endpoints return for the same reason; the others are in special-requests.ts. */
export function usualRequests(id: EndpointId, status: number): readonly RawRequest[] {
  const example = exampleRequest(id);
  switch (status) {
    case 200:
    case 202:
    case 501:
      return [example];
    case 400:
      return [spoiled(id)];
    case 401:
      return [without(example, 'Authorization'), withHeaders(example, { Authorization: 'Bearer nobodys' })];
    case 403:
      return [withHeaders(example, { Origin: 'https://elsewhere.example' })];
    case 404:
      return unknown(id);
    case 413:
      return [{ ...example, body: 'x'.repeat(infoOf(id).bodyLimitBytes + 1) }];
    case 415:
      return [{ ...withHeaders(example, { 'Content-Type': 'text/csv' }), body: 'a,b' }];
    default:
      return [];
  }
}

/** The request for each media type of an endpoint that returns pages to people and JSON to programs. */
export function inAllTypes(id: EndpointId, request: RawRequest): readonly RawRequest[] {
  const types = new Set(Object.values(infoOf(id).responses).flat());
  if (!types.has('text/html') || types.size === 1) return [request];
  return ['text/html', 'application/json'].map((type) => withHeaders(request, { Accept: type }));
}

/** An invalid request that the endpoint answers with 400. */
function spoiled(id: EndpointId): RawRequest {
  const example = exampleRequest(id);
  const { path, form, consumes } = infoOf(id);
  if (path.includes('{')) return { ...example, path: path.replaceAll(/\{\w+\}/g, '-') };
  if (form !== null) return { ...example, body: 'broken=%zz' };
  if (consumes.length > 0) return { ...example, body: '{' };
  return { ...example, path: `${path}?nonsense=1` };
}

const HOSTNAME_FIELDS = /"(hostname|log_stream)":"[^"]*"/;

/** A request for an unknown machine, assignment or operation. */
function unknown(id: EndpointId): readonly RawRequest[] {
  const example = exampleRequest(id);
  const { path } = infoOf(id);
  if (path.includes('{'))
    return [
      {
        ...example,
        path: path
          .replace('{hostname}', 'nobody')
          .replace('{name}', 'nobody')
          .replace('{id}', randomUUID())
          .replace('{file}', 'nothing.css'),
      },
    ];
  if (typeof example.body !== 'string' || !HOSTNAME_FIELDS.test(example.body)) return [];
  return [{ ...example, body: example.body.replace(HOSTNAME_FIELDS, '"$1":"nobody"') }];
}

export function withHeaders(request: RawRequest, headers: Readonly<Record<string, string>>): RawRequest {
  return { ...request, headers: { ...request.headers, ...headers } };
}

function without({ headers = {}, ...request }: RawRequest, name: string): RawRequest {
  return { ...request, headers: Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name)) };
}
