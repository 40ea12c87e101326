// Splits a schema into alternatives, so that two schemas can be compared. Each alternative is an object of keywords with at
// most one type, and without `$ref`, `allOf`, `oneOf` or `anyOf` at its top level. Pure.
import { isRecord, type Json, type JsonObject } from './json.ts';
import { resolveRef } from './endpoints.ts';

/** A schema, and the document that contains the targets of its references. */
export type Side = { readonly document: JsonObject; readonly schema: Json | undefined };

/** The alternatives; a valid value matches at least one. A schema that is missing or `true` accepts anything. */
export function branchesOf({ document, schema }: Side): JsonObject[] {
  if (!isRecord(schema)) return schema === false ? [] : [{}];
  const { allOf, oneOf, anyOf, ...rest } = withoutRef(document, schema);
  const parts = listOf(allOf).map((part) => branchesOf({ document, schema: part }));
  const base = parts.reduce((all, part) => combine(all, part), [rest]);
  const alternatives = [oneOf, anyOf].filter((list) => Array.isArray(list));
  return alternatives
    .map((list) => listOf(list).flatMap((part) => branchesOf({ document, schema: part })))
    .reduce((all, part) => combine(all, part), base)
    .flatMap(oneType);
}

/** In OpenAPI 3.1, `$ref` may have siblings, which apply in addition to the referenced schema. */
function withoutRef(document: JsonObject, schema: JsonObject): JsonObject {
  if (typeof schema['$ref'] !== 'string') return schema;
  const { $ref, ...siblings } = schema;
  return merge(withoutRef(document, resolveRef(document, { $ref })), siblings);
}

function combine(left: readonly JsonObject[], right: readonly JsonObject[]): JsonObject[] {
  return left.flatMap((a) => right.map((b) => merge(a, b)));
}

function merge(a: JsonObject, b: JsonObject): JsonObject {
  const merged = { ...a, ...b };
  if (isRecord(a['properties']) && isRecord(b['properties'])) {
    merged['properties'] = { ...a['properties'], ...b['properties'] };
  }
  if (Array.isArray(a['required']) && Array.isArray(b['required'])) {
    merged['required'] = [...new Set([...a['required'], ...b['required']])];
  }
  return merged;
}

function oneType(schema: JsonObject): JsonObject[] {
  const { type } = schema;
  return Array.isArray(type) ? type.map((one) => ({ ...schema, type: one })) : [schema];
}

function listOf(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}
