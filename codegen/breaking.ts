// The breaking-change check: finds changes of the contract that break programs written for the released one. Additions are
// allowed; removals, renames, new requirements and narrower schemas are not. Pure. No npm package does this for OpenAPI 3.1:
// openapi-diff 0.24 rejects 3.1, and Optic 1.0 does not start on Node 24 (and brings 500 packages).
import { schemaBreaks, type Direction } from './breaking-schema.ts';
import { securityBreaks } from './breaking-security.ts';
import { isRecord, textOf, type Json, type JsonObject } from './json.ts';
import { DEFAULT_BODY_LIMIT_BYTES, METHODS, resolveRef } from './endpoints.ts';

/** The status of operations that are not implemented yet; removing it is not a breaking change. */
const NOT_SERVED_YET = '501';

type Operation = { readonly operation: JsonObject; readonly pathItem: JsonObject };
/** The same part of the released and of the current contract. */
type Pair<T> = { readonly released: T; readonly current: T };
type Documents = Pair<JsonObject>;

/** One sentence for each breaking change. */
export function breakingChanges(released: JsonObject, current: JsonObject): string[] {
  const documents = { released, current };
  const now = operationsOf(current);
  return [...operationsOf(released)].flatMap(([name, before]) => {
    const after = now.get(name);
    if (!after) return [`${name}: was removed`];
    return operationBreaks(documents, { released: before, current: after }).map((what) => `${name}: ${what}`);
  });
}

/**
 * The reasons why this contract cannot be released: breaking changes without a new major version, or a version that is
 * lower than the released one.
 */
export function releaseFaults(released: JsonObject, current: JsonObject): string[] {
  const [before, now] = [versionOf(released), versionOf(current)];
  const step =
    now.map((part, index) => part - (before[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
  if (step < 0) return [`info.version went back from ${before.join('.')} to ${now.join('.')}`];
  if ((now[0] ?? 0) > (before[0] ?? 0)) return [];
  return breakingChanges(released, current);
}

function versionOf(document: JsonObject): number[] {
  const version = isRecord(document['info']) ? document['info']['version'] : undefined;
  const parts = typeof version === 'string' ? version.split('.').map(Number) : [];
  if (parts.length !== 3 || !parts.every(Number.isInteger)) {
    throw new Error('info.version is not of the form 1.2.3');
  }
  return parts;
}

function operationsOf(document: JsonObject): ReadonlyMap<string, Operation> {
  const paths = Object.entries(recordOf(document['paths']));
  return new Map(
    paths.flatMap(([path, pathItem]) =>
      METHODS.flatMap((method): [string, Operation][] => {
        const operation = isRecord(pathItem) ? pathItem[method] : undefined;
        if (!isRecord(pathItem) || !isRecord(operation)) return [];
        return [[`${method.toUpperCase()} ${path}`, { operation, pathItem }]];
      }),
    ),
  );
}

function operationBreaks(documents: Documents, { released, current }: Pair<Operation>): string[] {
  const [before, after] = [released.operation, current.operation];
  const renamed = before['operationId'] !== after['operationId'];
  return [
    ...(renamed
      ? [`operationId was ${textOf(before['operationId'])}, is ${textOf(after['operationId'])}`]
      : []),
    ...extensionBreaks(before, after),
    ...parameterBreaks(documents, { released, current }),
    ...bodyBreaks(documents, { released: before['requestBody'], current: after['requestBody'] }),
    ...responseBreaks(documents, {
      released: recordOf(before['responses']),
      current: recordOf(after['responses']),
    }),
    ...securityBreaks(documents, { released: before, current: after }),
  ];
}

/** Our own extensions that affect callers. */
function extensionBreaks(before: JsonObject, after: JsonObject): string[] {
  const tolerant = 'x-allow-unknown-query-parameters';
  const [limitBefore, limitAfter] = [bodyLimitBytes(before), bodyLimitBytes(after)];
  return [
    ...(before[tolerant] === true && after[tolerant] !== true
      ? ['unknown query parameters are refused now']
      : []),
    ...(limitAfter < limitBefore ? [`the body limit is ${limitAfter} bytes now (was ${limitBefore})`] : []),
  ];
}

function bodyLimitBytes(operation: JsonObject): number {
  const limit = operation['x-body-limit-bytes'];
  return typeof limit === 'number' ? limit : DEFAULT_BODY_LIMIT_BYTES;
}

function parameterBreaks(documents: Documents, operations: Pair<Operation>): string[] {
  const before = parametersOf(documents.released, operations.released);
  const after = parametersOf(documents.current, operations.current);
  const added = [...after]
    .filter(([name, parameter]) => !before.has(name) && parameter['required'] === true)
    .map(([name]) => `${name} is new and required`);
  const changed = [...before].flatMap(([name, was]) => {
    const is = after.get(name);
    if (!is) return [`${name} was removed`];
    return [
      ...(is['required'] === true && was['required'] !== true ? [`${name} is required now`] : []),
      ...['style', 'explode']
        .filter((key) => was[key] !== is[key])
        .map((key) => `${name}: ${key} has changed`),
      ...schemas(documents, { released: was, current: is }, 'request', name),
    ];
  });
  return [...added, ...changed];
}

/** Parameters by place and name; those of the operation override those of the path. */
function parametersOf(
  document: JsonObject,
  { operation, pathItem }: Operation,
): ReadonlyMap<string, JsonObject> {
  const list = [pathItem['parameters'], operation['parameters']].flatMap((some) =>
    Array.isArray(some) ? some : [],
  );
  return new Map(
    list.map((entry) => {
      const parameter = resolveRef(document, entry);
      return [`${textOf(parameter['in'])} parameter ${textOf(parameter['name'])}`, parameter];
    }),
  );
}

function bodyBreaks(documents: Documents, { released, current }: Pair<Json | undefined>): string[] {
  const before = released === undefined ? null : resolveRef(documents.released, released);
  const after = current === undefined ? null : resolveRef(documents.current, current);
  const newlyRequired = after?.['required'] === true && before?.['required'] !== true;
  if (!before) return newlyRequired ? ['a body is required now'] : [];
  if (!after) return ['the body was removed'];
  return [
    ...(newlyRequired ? ['the body is required now'] : []),
    ...contentBreaks(documents, { released: before, current: after }, 'request', 'body'),
  ];
}

function responseBreaks(documents: Documents, { released, current }: Documents): string[] {
  return Object.entries(released).flatMap(([status, entry]) => {
    if (current[status] === undefined)
      return status === NOT_SERVED_YET ? [] : [`status ${status} was removed`];
    const before = resolveRef(documents.released, entry);
    const after = resolveRef(documents.current, current[status]);
    return [
      ...headerBreaks(documents, { released: before, current: after }, status),
      ...contentBreaks(documents, { released: before, current: after }, 'response', status),
    ];
  });
}

function headerBreaks(documents: Documents, responses: Documents, status: string): string[] {
  const after = recordOf(responses.current['headers']);
  return Object.entries(recordOf(responses.released['headers'])).flatMap(([name, entry]) => {
    const at = `${status} header ${name}`;
    if (after[name] === undefined) return [`${at} was removed`];
    const was = resolveRef(documents.released, entry);
    const is = resolveRef(documents.current, after[name]);
    return [
      ...(was['required'] === true && is['required'] !== true ? [`${at} may be missing now`] : []),
      ...schemas(documents, { released: was, current: is }, 'response', at),
    ];
  });
}

function contentBreaks(documents: Documents, parts: Documents, direction: Direction, at: string): string[] {
  const after = recordOf(parts.current['content']);
  return Object.entries(recordOf(parts.released['content'])).flatMap(([type, was]) => {
    const is = after[type];
    if (!isRecord(is)) return [`${at}: ${type} was removed`];
    return schemas(documents, { released: recordOf(was), current: is }, direction, `${at} (${type})`);
  });
}

function schemas(documents: Documents, holders: Documents, direction: Direction, at: string): string[] {
  return schemaBreaks(
    { document: documents.released, schema: holders.released['schema'] },
    { document: documents.current, schema: holders.current['schema'] },
    direction,
    at,
  );
}

function recordOf(value: Json | undefined): JsonObject {
  return isRecord(value) ? value : {};
}
