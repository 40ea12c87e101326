// A small contract for the tests of the breaking-change check, and functions that change it.
import { breakingChanges } from '../../codegen/breaking.ts';
import type { Json, JsonObject } from '../../codegen/json.ts';

export const OPERATION = 'POST /things/{id}';

/** A contract that contains everything that the rules check; a test changes the part that it is about. */
export function contract(
  change: (operation: JsonObject, document: JsonObject) => void = () => undefined,
): JsonObject {
  const operation: JsonObject = {
    operationId: 'changeThing',
    security: [{ basic: [] }, { token: [] }],
    'x-allow-unknown-query-parameters': true,
    'x-body-limit-bytes': 1000,
    parameters: [
      { name: 'id', in: 'path', required: true, schema: { $ref: '#/components/schemas/Id' } },
      { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 10, default: 5 } },
    ],
    requestBody: { required: false, content: { 'application/json': { schema: { type: 'object' } } } },
    responses: {
      '200': {
        headers: { Location: { required: true, schema: { type: 'string' } } },
        content: {
          'application/json': { schema: { type: 'object' } },
          'text/html': { schema: { type: 'string' } },
        },
      },
      '404': { content: { 'application/json': { schema: { type: 'object' } } } },
      '501': { content: { 'application/json': { schema: { type: 'object' } } } },
    },
  };
  const document: JsonObject = {
    openapi: '3.1.0',
    info: { title: 'Things', version: '1.2.3' },
    paths: { '/things/{id}': { post: operation } },
    components: {
      schemas: { Id: { type: 'string', maxLength: 36 } },
      securitySchemes: {
        basic: { type: 'http', scheme: 'basic' },
        token: { type: 'http', scheme: 'bearer' },
      },
    },
  };
  change(operation, document);
  return document;
}

/** The object or list at this path. */
export function at(value: Json, ...steps: (string | number)[]): JsonObject {
  let found: unknown = value;
  for (const step of steps) found = (found as Record<string | number, unknown>)[step];
  return found as JsonObject;
}

export type Change = Parameters<typeof contract>[0];
export const breaks = (change: Change): string[] => breakingChanges(contract(), contract(change));
