// openapi.yaml -> the endpoint table: what the server needs to know about an endpoint at run time.
import { isRecord, textOf, type Json, type JsonObject } from './json.ts';

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
export const DEFAULT_BODY_LIMIT_BYTES = 65_536;
const NO_SECURITY: Json[] = [{}];

/** Follows a local `$ref`; throws if the target is missing, which the linter reports in detail. */
export function resolveRef(document: JsonObject, node: Json | undefined): JsonObject {
  if (!isRecord(node)) throw new Error('openapi.yaml: an object is missing');
  if (typeof node['$ref'] !== 'string') return node;
  let found: Json | undefined = document;
  for (const step of node['$ref'].slice(2).split('/')) found = isRecord(found) ? found[step] : undefined;
  return resolveRef(document, found);
}

function mediaTypes(document: JsonObject, node: Json | undefined): string[] {
  const content = resolveRef(document, node)['content'];
  return isRecord(content) ? Object.keys(content) : [];
}

function bodyRequired(document: JsonObject, requestBody: Json | undefined): boolean {
  return requestBody !== undefined && resolveRef(document, requestBody)['required'] === true;
}

function formFields(document: JsonObject, operation: JsonObject): JsonObject | null {
  if (operation['requestBody'] === undefined) return null;
  const content = resolveRef(document, operation['requestBody'])['content'];
  const form = isRecord(content) ? content['application/x-www-form-urlencoded'] : undefined;
  if (!isRecord(form)) return null;
  const properties = resolveRef(document, form['schema'])['properties'];
  if (!isRecord(properties)) return null;
  const fields = Object.entries(properties).map(([name, schema]): [string, Json] => {
    const type = resolveRef(document, schema)['type'];
    return [name, isFormFieldType(type) ? type : 'string'];
  });
  return Object.fromEntries(fields);
}

/** A list: the field may be given several times. */
function isFormFieldType(type: Json | undefined): type is string {
  return type === 'integer' || type === 'boolean' || type === 'array';
}

/** Name → type of the query parameters. */
function queryParameters(document: JsonObject, operation: JsonObject): JsonObject {
  const parameters = Array.isArray(operation['parameters']) ? operation['parameters'] : [];
  const declared = parameters.map((parameter) => resolveRef(document, parameter));
  return Object.fromEntries(
    declared
      .filter((parameter) => parameter['in'] === 'query')
      .map((parameter) => [
        textOf(parameter['name']),
        resolveRef(document, parameter['schema'])['type'] ?? 'string',
      ]),
  );
}

const ROLES = ['instructor', 'admin'];

/** A new endpoint for which somebody signs in must say who may call it. */
function roleOf({ operationId, 'x-role': role = null }: JsonObject, security: readonly Json[]): Json {
  const signsIn = security.some((entry) => isRecord(entry) && 'adminBasic' in entry);
  if (signsIn ? ROLES.includes(textOf(role)) : role === null) return role;
  const wrong = signsIn ? `needs x-role: ${ROLES.join(' or ')}` : 'has x-role without adminBasic';
  throw new Error(`openapi.yaml: ${textOf(operationId)} ${wrong}`);
}

function describe(document: JsonObject, method: string, path: string, operation: JsonObject): JsonObject {
  const responses = operation['responses'];
  if (!isRecord(responses)) throw new Error(`openapi.yaml: ${method} ${path} has no responses`);
  const security = Array.isArray(operation['security']) ? operation['security'] : [];
  const tags = Array.isArray(operation['tags']) ? operation['tags'] : [];
  return {
    method,
    path,
    tag: tags[0] ?? '',
    security: (security.length === 0 ? NO_SECURITY : security).map((entry) =>
      isRecord(entry) ? Object.keys(entry) : [],
    ),
    role: roleOf(operation, security),
    consumes: operation['requestBody'] === undefined ? [] : mediaTypes(document, operation['requestBody']),
    bodyRequired: bodyRequired(document, operation['requestBody']),
    form: formFields(document, operation),
    query: queryParameters(document, operation),
    unknownQueryAllowed: operation['x-allow-unknown-query-parameters'] === true,
    responses: Object.fromEntries(
      Object.entries(responses).map(([status, response]) => [status, mediaTypes(document, response)]),
    ),
    hostnameIn: operation['x-hostname-in'] ?? null,
    keepAliveSeconds: operation['x-keep-alive-seconds'] ?? null,
    eventStream: Object.values(responses).some((response) =>
      mediaTypes(document, response).includes('text/event-stream'),
    ),
    browserCookie: operation['x-browser-cookie'] === true,
    formPage: operation['x-form-page'] === true,
    ownPagesOnly: method !== 'get' || operation['x-own-pages-only'] === true,
    bodyLimitBytes: operation['x-body-limit-bytes'] ?? DEFAULT_BODY_LIMIT_BYTES,
  };
}

/** The table, keyed by operationId, in the order of the document. */
export function endpointTable(document: JsonObject): Record<string, JsonObject> {
  const paths = document['paths'];
  if (!isRecord(paths)) throw new Error('openapi.yaml: there are no paths');
  const table: Record<string, JsonObject> = {};
  for (const [path, item] of Object.entries(paths)) {
    if (!isRecord(item)) continue;
    for (const method of METHODS) {
      const operation = item[method];
      if (!isRecord(operation)) continue;
      const id = operation['operationId'];
      if (typeof id !== 'string') throw new Error(`openapi.yaml: ${method} ${path} has no operationId`);
      table[id] = describe(document, method, path, operation);
    }
  }
  return table;
}
