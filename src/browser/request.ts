// Requests to this server.
import { readAnswer, type Schema, type SchemaName } from '../contract/answer.ts';

/** Nothing comes from the browser's cache. */
export function request(address: string, accept = 'application/json'): Promise<Response> {
  return fetch(address, { headers: { Accept: accept }, cache: 'no-store' });
}

/** JSON of this schema; throws where the answer is none. */
export async function requestJson<Name extends SchemaName>(
  schema: Name,
  address: string,
): Promise<Schema<Name>> {
  const response = await request(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return readAnswer(schema, await response.text());
}

/** A page, parsed; its scripts do not run. */
export async function readPage(response: Response): Promise<Document> {
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}
