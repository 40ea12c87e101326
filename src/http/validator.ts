// express-openapi-validator: requests and JSON answers against the contract. What it cannot do stands in docs/adr/0003.
import { parse } from 'node:url';
import * as OpenApiValidator from 'express-openapi-validator';
import type { Request, RequestHandler } from 'express';
import { endpoints, type EndpointId } from '../contract/endpoints.gen.ts';
import { ProblemError } from '../contract/problems.ts';
import { isJsonType } from './accept.ts';
import { contextOf } from './context.ts';
import { fieldErrors } from './field-errors.ts';
import type { Validator } from './options.ts';
import { isRecord, member } from './records.ts';

type ContractDocument = Exclude<Parameters<typeof OpenApiValidator.middleware>[0]['apiSpec'], string>;

/** These are called by a whole workshop, or by all of its VMs, at the same moment. */
const BUSY: readonly EndpointId[] = [
  'requestVm',
  'vmStartup',
  'postHeartbeat',
  'postVmLogs',
  'updateVmStatus',
  'updateInUseStatus',
  'updateGpuHealth',
  'postVmMetrics',
  'postOutcome',
  'postRecycled',
  'indexPage',
  'assignmentPage',
  'getUnassignedVmsCount',
  'getLab',
];

/**
 * The validator compiles every path of its document, up to the one that is asked for, anew for each request: with one instance for
 * all endpoints, a sixth of the processor time while everybody joins, and 4 KiB of garbage for each VM that waits. So the busy
 * endpoints have an instance with their paths alone. Throws where the document is no OpenAPI document.
 */
export function createValidator(document: unknown): Validator {
  settleDeprecation();
  const busyPaths = new Set<string>(BUSY.map((id) => endpoints[id].path));
  const shared = createMiddlewares(partOf(document, () => true));
  const busy = createMiddlewares(partOf(document, (path) => busyPaths.has(path)));
  return ({ path }) => (busyPaths.has(path) ? busy : shared);
}

/**
 * The validator calls `url.parse` for each request. Until Node has warned of that once (DEP0169), each call looks through the stack
 * for the caller: a twentieth of the processor time of a claim. Here it warns with warnings switched off.
 */
function settleDeprecation(): void {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- its deprecation is what this is about
  parse('/');
  process.noDeprecation = noDeprecation ?? false;
}

function createMiddlewares(apiSpec: ContractDocument): readonly RequestHandler[] {
  return OpenApiValidator.middleware({
    apiSpec,
    // `make check` has done it.
    validateApiSpec: false,
    // authorize.ts does it, before the body is read.
    validateSecurity: false,
    fileUploader: false,
    // As app.ts has cut it to the path and the query.
    useRequestUrl: true,
    // Lists are bounded before (limits.listEntries), so the number of errors is bounded too. Unknown query parameters are
    // refused before, where the contract refuses them.
    validateRequests: { allErrors: true, allowUnknownQueryParameters: true },
    validateResponses: {
      onError: ({ message }, _body, req: Request) => {
        const context = contextOf(req);
        context.adapter.onResponseFault(context, message);
      },
    },
  });
}

/** The problem that the validator found with a request; null where the error is another one. */
export function requestProblem(error: unknown): ProblemError | null {
  return error instanceof OpenApiValidator.error.BadRequest
    ? new ProblemError('invalid_request', { errors: fieldErrors(error.errors) })
    : null;
}

/**
 * Some paths of the contract as the validator needs them: with HEAD, which it would refuse, beside GET; with reserved
 * characters allowed in queries; and without what it never reads.
 */
function partOf(document: unknown, has: (path: string) => boolean): ContractDocument {
  const paths = entriesOf(member(document, 'paths')).filter(([path]) => has(path));
  const items = paths.map(([path, item]) => {
    const operations = Object.fromEntries(
      entriesOf(item).map(([method, operation]) => [method, slimOperation(document, recordOf(operation))]),
    );
    const { get } = operations;
    return [path, get === undefined ? operations : { ...operations, head: get }] as const;
  });
  const slim: unknown = {
    openapi: member(document, 'openapi'),
    info: member(document, 'info'),
    paths: Object.fromEntries(items),
    components: { schemas: schemasOf(document, items) },
  };
  if (!isContract(slim)) throw new Error('the contract is not an OpenAPI document');
  return slim;
}

const SCHEMA_REFERENCE = /"#\/components\/schemas\/([\w.-]+)"/g;

/** The named schemas that a part of the document refers to, directly or through others. */
function schemasOf(document: unknown, part: unknown): Readonly<Record<string, unknown>> {
  const schemas = member(member(document, 'components'), 'schemas');
  const found = new Map<string, unknown>();
  const visit = (node: unknown): void => {
    for (const [, name = ''] of JSON.stringify([node]).matchAll(SCHEMA_REFERENCE)) {
      if (found.has(name)) continue;
      found.set(name, member(schemas, name));
      visit(found.get(name));
    }
  };
  visit(part);
  return Object.fromEntries(found);
}

function slimOperation(document: unknown, operation: Record<string, unknown>): Record<string, unknown> {
  const { parameters, requestBody, responses } = operation;
  return {
    parameters: (Array.isArray(parameters) ? parameters : []).map((parameter) => ({
      ...recordOf(resolve(document, parameter)),
      allowReserved: true,
    })),
    ...(requestBody !== undefined && { requestBody: resolve(document, requestBody) }),
    responses: slimResponses(document, responses),
  };
}

/**
 * Only the JSON. What several statuses answer alike, the problems, becomes the default: the validator compiles the schema of each
 * status, and for each it walks through the whole document. answer-reply.ts refuses statuses that are not declared.
 */
function slimResponses(document: unknown, responses: unknown): Readonly<Record<string, unknown>> {
  const all = entriesOf(responses).map(([status, response]) => {
    const content = entriesOf(member(resolve(document, response), 'content'));
    return [status, content.filter(([type]) => isJsonType(type))] as const;
  });
  const last = all.findLast(([, json]) => json.length > 0)?.[1] ?? [];
  return Object.fromEntries(
    all.map(([status, json]) => [
      isSame(json, last) ? 'default' : status,
      { description: '', content: Object.fromEntries(json) },
    ]),
  );
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function isContract(value: unknown): value is ContractDocument {
  return typeof member(value, 'openapi') === 'string' && isRecord(member(value, 'paths'));
}

function resolve(document: unknown, node: unknown): unknown {
  const reference = member(node, '$ref');
  if (typeof reference !== 'string') return node;
  return resolve(document, reference.slice(2).split('/').reduce<unknown>(member, document));
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return Object.entries(recordOf(value));
}
