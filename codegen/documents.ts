// Reads the current contract, and the last released one.
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { isRecord, type JsonObject } from './json.ts';

export const CURRENT_CONTRACT = new URL('../openapi.yaml', import.meta.url);
export const RELEASED_CONTRACT = new URL('openapi.released.yaml', import.meta.url);

/** Parses a contract; throws if it is not one. */
export async function readContract(place: URL): Promise<JsonObject> {
  const document: unknown = parse(await readFile(place, 'utf8'));
  if (!isRecord(document)) throw new Error(`${place.pathname} is not an object`);
  return document;
}
