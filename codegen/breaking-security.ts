// Finds credentials that were sufficient and no longer are. Pure.
import { isDeepStrictEqual } from 'node:util';
import { isRecord, textOf, type Json, type JsonObject } from './json.ts';

type Pair<T> = { readonly released: T; readonly current: T };
/** Schemes that are required together; empty if no credentials are needed. */
type Alternative = ReadonlySet<string>;

/** The requirements of an operation that are no longer sufficient, and their schemes that have changed. */
export function securityBreaks(documents: Pair<JsonObject>, operations: Pair<JsonObject>): string[] {
  const before = alternativesOf(documents.released, operations.released);
  const after = alternativesOf(documents.current, operations.current);
  const closed = before
    .filter((shown) => !after.some((needed) => needed.isSubsetOf(shown)))
    .map((shown) => `${nameOf(shown)} is not enough any more`);
  const schemes = new Set(
    before.flatMap((alternative) => [...alternative]).map((need) => need.split(' ')[0] ?? ''),
  );
  const changed = [...schemes]
    .filter((name) => {
      const [was, is] = [schemeOf(documents.released, name), schemeOf(documents.current, name)];
      return is !== null && !isDeepStrictEqual(was, is);
    })
    .map((name) => `the security scheme ${name} has changed`);
  return [...closed, ...changed];
}

function alternativesOf(document: JsonObject, operation: JsonObject): Alternative[] {
  const security = operation['security'] ?? document['security'];
  const alternatives = Array.isArray(security) ? security : [];
  if (alternatives.length === 0) return [new Set()];
  return alternatives.map((entry) => new Set(isRecord(entry) ? Object.entries(entry).flatMap(needs) : []));
}

function needs([scheme, scopes]: [string, Json]): string[] {
  const list = Array.isArray(scopes) ? scopes : [];
  return [scheme, ...list.map((scope) => `${scheme} ${textOf(scope)}`)];
}

function nameOf(alternative: Alternative): string {
  return alternative.size === 0 ? 'no credentials' : [...alternative].join(' with ');
}

/** A scheme without its descriptions. */
function schemeOf(document: JsonObject, name: string): JsonObject | null {
  const components = document['components'];
  const schemes = isRecord(components) ? components['securitySchemes'] : undefined;
  const scheme = isRecord(schemes) ? schemes[name] : undefined;
  if (!isRecord(scheme)) return null;
  return Object.fromEntries(Object.entries(scheme).filter(([key]) => key !== 'description'));
}
