// express-openapi-validator, driven part by part: its request and its response stage are handed plain values in the
// place of Express' objects, and each endpoint's metadata is looked up once (its own stage compiles every path of the
// contract anew for every request). Media types are normalised before: it keeps a compiled schema for each that it sees.
import { error as validatorErrors, middleware } from 'express-openapi-validator';
import type { Endpoint } from '../contract/erased.ts';
import type { FieldError } from '../contract/problems.ts';
import { PROBLEM_PATH, statusForValidator, validatorDocument } from './contract-document.ts';
import { fieldErrors } from './field-errors.ts';
import { isRecord } from './records.ts';

export type RequestParts = {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
};

/** With defaults filled in, and query parameters turned into what the contract declares. */
export type ValidParts = { readonly path: unknown; readonly query: unknown; readonly body: unknown };

export type Validator = {
  readonly request: (
    endpoint: Endpoint,
    parts: RequestParts,
  ) => Promise<
    | { readonly ok: true; readonly parts: ValidParts }
    | { readonly ok: false; readonly errors: readonly FieldError[] }
  >;
  /** What breaks the contract in a JSON body (of a success) or a problem; null = nothing. */
  readonly response: (
    endpoint: Endpoint,
    reply: { readonly status: number; readonly type: string; readonly body: unknown },
  ) => Promise<string | null>;
};

type Stage = (...stage: never[]) => unknown;
/** Throws what the validator finds wrong. */
type ResponseCheck = (status: string, body: unknown) => void;

/** Rejects where the document is no contract. What an endpoint needs is compiled when it is first asked for. */
export async function createValidator(document: unknown): Promise<Validator> {
  const stages = middleware({
    apiSpec: validatorDocument(document),
    validateApiSpec: false,
    validateSecurity: false,
    fileUploader: false,
    // Lists are bounded before (limits.listEntries), so that the number of errors is.
    validateRequests: { allErrors: true },
    validateResponses: {},
  });
  const lookUp = metadataLookup(stageNamed(stages, 'metadataMiddleware'));
  const requestStage = stageNamed(stages, 'requestMiddleware');
  const responseStage = stageNamed(stages, 'responseMiddleware');
  const responseChecks = new Map<string, Promise<ResponseCheck>>();
  const checkFor = (method: string, path: string): Promise<ResponseCheck> => {
    const key = `${method} ${path}`;
    const known =
      responseChecks.get(key) ??
      lookUp(method, path).then((openapi) => responseCheck(responseStage, method, openapi));
    responseChecks.set(key, known);
    return known;
  };
  // The first look-up waits for the document; a fault of it is told at start.
  await lookUp('get', PROBLEM_PATH);

  return {
    request: async (endpoint, parts) => {
      const openapi = await lookUp(endpoint.method, endpoint.path);
      return validateRequest(requestStage, endpoint, { ...openapi, pathParams: parts.path }, parts);
    },
    response: async ({ method, path }, { status, type, body }) => {
      const isProblem = type === 'application/problem+json';
      const check = await (isProblem ? checkFor('get', PROBLEM_PATH) : checkFor(method, path));
      try {
        check(isProblem ? '200' : statusForValidator(String(status)), body);
        return null;
      } catch (error) {
        if (error instanceof validatorErrors.InternalServerError) return error.message;
        throw error;
      }
    },
  };
}

type Metadata = Readonly<Record<string, unknown>>;

/** Asks the validator's own stage, once for each endpoint. */
function metadataLookup(stage: Stage): (method: string, path: string) => Promise<Metadata> {
  const known = new Map<string, Promise<Metadata>>();
  return (method, path) => {
    const key = `${method} ${path}`;
    const found = known.get(key) ?? readMetadata(stage, method, path);
    known.set(key, found);
    return found;
  };
}

async function readMetadata(stage: Stage, method: string, path: string): Promise<Metadata> {
  const concrete = path.replaceAll(/\{\w+\}/g, '0');
  const req = { ...standIn(method, concrete), baseUrl: '', app: { enabled: () => true } };
  await pass(stage, req, {});
  const openapi: unknown = Reflect.get(req, 'openapi');
  if (!isRecord(openapi) || openapi['openApiRoute'] !== path)
    throw new Error(`the contract has no ${method} ${path}`);
  return openapi;
}

async function validateRequest(
  stage: Stage,
  endpoint: Endpoint,
  openapi: Metadata,
  parts: RequestParts,
): ReturnType<Validator['request']> {
  const [mediaType] = endpoint.consumes;
  const headers = mediaType === undefined ? parts.headers : { ...parts.headers, 'content-type': mediaType };
  const req = {
    ...standIn(endpoint.method, '/'),
    openapi,
    headers,
    params: parts.path,
    query: parts.query,
    body: parts.body,
  };
  try {
    await pass(stage, req, {});
    return { ok: true, parts: { path: req.params, query: req.query, body: req.body } };
  } catch (error) {
    if (!(error instanceof validatorErrors.BadRequest)) throw error;
    return { ok: false, errors: fieldErrors(error.errors) };
  }
}

/**
 * The stage replaces `res.json` by a function that looks at the body first; that function is kept, with one stand-in
 * for all answers of the endpoint: it runs to its end at once.
 */
async function responseCheck(stage: Stage, method: string, openapi: Metadata): Promise<ResponseCheck> {
  const res: { statusCode: string; json: unknown } & Record<string, unknown> = {
    statusCode: '200',
    headersSent: false,
    getHeaders: () => ({ 'content-type': 'application/json' }),
    json: () => undefined,
  };
  const req = { ...standIn(method, '/'), openapi, headers: {} };
  let fault: unknown;
  await new Promise<void>((resolve) => {
    Reflect.apply(stage, undefined, [
      req,
      res,
      (error?: unknown) => {
        fault = error;
        resolve();
      },
    ]);
  });
  if (fault !== undefined) throw toError(fault);
  const check = res.json;
  if (typeof check !== 'function') throw new Error('the response stage of the validator is not as expected');
  return (status, body) => {
    res.statusCode = status;
    fault = undefined;
    Reflect.apply(check, res, [body]);
    if (fault !== undefined) throw toError(fault);
  };
}

function standIn(method: string, path: string): Record<string, unknown> {
  return { method: method.toUpperCase(), path, originalUrl: path };
}

function stageNamed(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((candidate) => candidate.name === name);
  if (!stage) throw new Error(`express-openapi-validator has no ${name}; its version was tested as 5.6.2`);
  return stage;
}

function pass(stage: Stage, req: object, res: object): Promise<void> {
  return new Promise((resolve, reject) => {
    Reflect.apply(stage, undefined, [
      req,
      res,
      (error?: unknown) => {
        if (error === undefined) resolve();
        else reject(toError(error));
      },
    ]);
  });
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('the validator failed', { cause: thrown });
}
