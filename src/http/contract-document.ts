// The contract as the validator needs it: parameters, request bodies, JSON answers. What the validator does not look at
// is left out, since it copies the document into every schema that it compiles. Pure.
import type { middleware } from 'express-openapi-validator';
import { isRecord, member } from './records.ts';

type Given = Parameters<typeof middleware>[0]['apiSpec'];
export type ContractDocument = Exclude<Given, string>;

/** Where the shape of a problem can be asked for: all operations share it. */
export const PROBLEM_PATH = '/-problem';
const KEPT_COMPONENTS = ['schemas', 'parameters', 'requestBodies'];
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** Throws where the value is no OpenAPI document. */
export function validatorDocument(document: unknown): ContractDocument {
  const components = member(document, 'components');
  const paths = Object.fromEntries(
    operationsOf(document).map(([path, item]): [string, unknown] => [
      path,
      Object.fromEntries(item.map(([method, operation]) => [method, slimOperation(document, operation)])),
    ]),
  );
  const slim: unknown = structuredClone({
    openapi: member(document, 'openapi'),
    info: member(document, 'info'),
    paths: { ...paths, [PROBLEM_PATH]: { get: PROBLEM_OPERATION } },
    components: Object.fromEntries(
      Object.entries(isRecord(components) ? components : {}).filter(([name]) =>
        KEPT_COMPONENTS.includes(name),
      ),
    ),
  });
  if (!isContract(slim)) throw new Error('the contract is not an OpenAPI document');
  return slim;
}

export type QueryRules = {
  /** name → type, of the parameters that are no strings. */
  readonly types: Readonly<Record<string, string>>;
  readonly unknownAllowed: boolean;
};

/** operationId → what its query parameters are. */
export function queryRules(document: unknown): ReadonlyMap<string, QueryRules> {
  const found = new Map<string, QueryRules>();
  for (const [, item] of operationsOf(document))
    for (const [, operation] of item) {
      const { operationId, parameters } = operation;
      if (typeof operationId !== 'string') continue;
      const given: readonly unknown[] = Array.isArray(parameters) ? parameters : [];
      found.set(operationId, {
        types: Object.fromEntries(given.flatMap((parameter) => queryType(document, parameter))),
        unknownAllowed: allowsUnknownQuery(operation),
      });
    }
  return found;
}

function allowsUnknownQuery(operation: Record<string, unknown>): boolean {
  return operation['x-allow-unknown-query-parameters'] === true;
}

const PROBLEM_OPERATION = {
  operationId: 'problem',
  responses: {
    '200': {
      description: 'A problem.',
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
};

function isContract(value: unknown): value is ContractDocument {
  return typeof member(value, 'openapi') === 'string' && isRecord(member(value, 'info'));
}

type Item = readonly (readonly [method: string, operation: Record<string, unknown>])[];

function operationsOf(document: unknown): readonly (readonly [path: string, item: Item])[] {
  const paths = member(document, 'paths');
  if (!isRecord(paths)) throw new Error('the contract has no paths');
  return Object.entries(paths).map(([path, item]) => [
    path,
    METHODS.flatMap((method) => {
      const operation = member(item, method);
      return isRecord(operation) ? [[method, operation] as const] : [];
    }),
  ]);
}

function slimOperation(document: unknown, operation: Record<string, unknown>): Record<string, unknown> {
  const { operationId, parameters, requestBody } = operation;
  return {
    operationId,
    ...(parameters === undefined ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    'x-eov-allow-unknown-query-parameters': allowsUnknownQuery(operation),
    responses: jsonResponses(document, operation['responses']),
  };
}

function jsonResponses(document: unknown, responses: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(isRecord(responses) ? responses : {}).flatMap(([status, response]) => {
      const json = member(member(resolve(document, response), 'content'), 'application/json');
      if (json === undefined) return [];
      return [
        [statusForValidator(status), { description: '', content: { 'application/json': json } }] as const,
      ];
    }),
  );
}

/** The validator lets every 5xx pass unseen: here a 503 is called 103, which no contract declares with a body. */
export function statusForValidator(status: string): string {
  return status.replace(/^5/, '1');
}

function queryType(document: unknown, node: unknown): (readonly [string, string])[] {
  const parameter = resolve(document, node);
  const name = member(parameter, 'name');
  const type = member(resolve(document, member(parameter, 'schema')), 'type');
  if (member(parameter, 'in') !== 'query' || typeof name !== 'string') return [];
  return typeof type === 'string' && type !== 'string' ? [[name, type]] : [];
}

function resolve(document: unknown, node: unknown): unknown {
  const reference = member(node, '$ref');
  if (typeof reference !== 'string') return node;
  return resolve(document, reference.slice(2).split('/').reduce<unknown>(member, document));
}
