// What the adapter needs: the contract, the handlers, and what it must not know by itself.
import type { RequestHandler } from 'express';
import type { Endpoint } from '../contract/erased.ts';
import type { Caller, Handlers } from '../contract/handlers.ts';
import type { EndpointId } from '../contract/endpoints.gen.ts';
import type { Problem, ProblemError } from '../contract/problems.ts';
import type { Viewer } from '../contract/role.ts';
import type { Log } from '../log.ts';
import type { FailedLogin } from './login-limit.ts';
import type { HttpLimits } from './limits.ts';

type Authenticate = {
  /** Whether this is the configured admin, whose password is checked without the database. */
  readonly isBuiltIn: (user: string) => boolean;
  /** A person whose password was found to be right a moment ago; cheap. Null = `basic` has to look. */
  readonly remembered: (user: string, password: string) => Promise<Viewer | null>;
  /** Null = the name or the password is wrong, which takes the same time. May throw what `classifyError` understands. */
  readonly basic: (user: string, password: string) => Promise<Viewer | null>;
  /** The owner of the token; null = the token is unknown. May throw what `classifyError` understands. */
  readonly bearer: (token: string) => Promise<Caller | null>;
  /** Whether the VM has a token: then it is asked for it, whatever `vmAuth` says. */
  readonly hasToken: (hostname: string) => Promise<boolean>;
};

/** The pages of problems, for endpoints that answer HTML. */
type ProblemPages = {
  readonly error: (view: {
    readonly problem: Problem;
    readonly endpointId: EndpointId | null;
    readonly path: string;
    readonly viewer: Viewer | null;
  }) => string;
  /** The endpoint's own form, with the message and what was typed. */
  readonly form: (view: {
    readonly endpointId: EndpointId;
    readonly problem: Problem;
    readonly viewer: Viewer | null;
    readonly values: Readonly<Record<string, string>>;
    /** Of a 429 or 503; else null. */
    readonly retryAfterSeconds: number | null;
  }) => string;
};

/** The middlewares that validate the requests of an endpoint, and the JSON that is sent by `res.json`. */
export type Validator = (endpoint: Endpoint) => readonly RequestHandler[];

export type HttpOptions = {
  /** openapi.yaml, parsed. */
  readonly document: unknown;
  /** Made by `createValidator`, where several apps share it. */
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
  /** Whether a Host (without its port) means this server; absent = every one does. */
  readonly isOwnHost?: ((name: string) => boolean) | undefined;
  /** From one address, or one known caller; health checks are not counted. */
  readonly requestsPerMinute: number;
  /** The rate limit refused a heartbeat. `isProven`: it came with the machine's token. */
  readonly onRefusedHeartbeat?: (hostname: string, isProven: boolean) => void;
  /** A request went through a proxy, but `trustProxy` is false. */
  readonly onUntrustedProxy?: () => void;
  /** The first failed login of an address in a minute, and the one that blocks it. */
  readonly onFailedLogin?: (failure: FailedLogin) => void;
  /** Every request at its end; the status is null where the client left before the answer began. */
  readonly onRequestEnd?:
    ((endpoint: Endpoint | null, status: number | null, tookMs: number) => void) | undefined;
  readonly log: Log;
  /** Whether every request is logged at `info` (the default), or only those that failed or were slow. */
  readonly logRequests?: boolean;
  /** An answer that breaks the contract: `throw` makes it a 500, `log` logs, counts and sends it. */
  readonly responseFaults: 'throw' | 'log';
  readonly isStopping: () => boolean;
  /** The problem that an error means (an outage, for example); null = a bug. */
  readonly classifyError?: (error: unknown) => ProblemError | null;
  readonly limits?: Partial<HttpLimits>;
  /** Milliseconds that only go forward. */
  readonly nowMs?: () => number;
};
