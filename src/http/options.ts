// What the adapter is given: the contract, the handlers, and everything that it must not know by itself.
import type { Caller, Handlers } from '../contract/handlers.ts';
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { Problem, ProblemError } from '../contract/problems.ts';
import type { Log } from '../log.ts';
import type { HttpLimits } from './limits.ts';
import type { Validator } from './validator.ts';

export type Authenticate = {
  /** In constant time. */
  readonly basic: (user: string, password: string) => boolean;
  /** Whose token it is; null = nobody's. May throw what `classifyError` understands. */
  readonly bearer: (token: string) => Promise<Caller | null>;
};

/** The pages that problems become, for endpoints that answer HTML. */
export type ProblemPages = {
  readonly error: (view: { readonly problem: Problem; readonly endpointId: EndpointId | null }) => string;
  /** The endpoint's own form, with the message and what was typed. */
  readonly form: (view: {
    readonly endpointId: EndpointId;
    readonly problem: Problem;
    readonly values: Readonly<Record<string, string>>;
  }) => string;
};

export type HttpOptions = {
  /** openapi.yaml, parsed. */
  readonly document: unknown;
  /** Made from the document before; without it, it is made now. */
  readonly validator?: Validator;
  readonly handlers: Handlers;
  readonly authenticate: Authenticate;
  /** `required`: "none needed" does not count where a VM token is an alternative. */
  readonly vmAuth: 'open' | 'required';
  readonly browserCookie: { readonly key: Buffer; readonly secure: boolean };
  readonly pages: ProblemPages;
  /** Express' "trust proxy". */
  readonly trustProxy: boolean | number | string | readonly string[];
  /** An origin like `https://lab.example.org` that is this server too, where a proxy hides the name. */
  readonly publicUrl?: string | undefined;
  /** Of one address; probes of health are not counted. */
  readonly requestsPerMinute: number;
  readonly log: Log;
  /** Whether every request is logged at `info` (the default), or only those that failed or were slow. */
  readonly logRequests?: boolean;
  /** An answer that breaks the contract: `throw` makes it a 500, `log` logs, counts and sends it. */
  readonly responseFaults: 'throw' | 'log';
  readonly isStopping: () => boolean;
  /** The problem that an error is (an outage, say); null = a bug. */
  readonly classifyError?: (error: unknown) => ProblemError | null;
  readonly limits?: Partial<HttpLimits>;
  /** Milliseconds that only go forward. */
  readonly nowMs?: () => number;
  readonly randomBytes?: (size: number) => Buffer;
};
