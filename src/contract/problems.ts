// The catalogue of problems: every error response of the server, with status, title and sentence (RFC 9457).
// docs/problems.md is generated from it.
import type { components } from './openapi.gen.ts';
import { notificationProblems } from './notification-problems.ts';
import { accountProblems } from './account-problems.ts';
import { workshopProblems } from './workshop-problems.ts';

export type Problem = components['schemas']['Problem'];

export type FieldError = {
  readonly field: string;
  /** What is wrong, for programs: `required`, `min_length`, `maximum`, `type`, `pattern`, `duplicate` … */
  readonly code: string;
  readonly message: string;
};

type Entry = { readonly status: number; readonly title: string; readonly detail: string };

/** Code → status, title, and the sentence that is used where a place has no better one. */
export const problems = {
  ...accountProblems,
  ...workshopProblems,
  ...notificationProblems,
  bad_request: { status: 400, title: 'Bad request', detail: 'The request could not be understood.' },
  invalid_json: {
    status: 400,
    title: 'Invalid JSON',
    detail: 'The body is not valid JSON. Check quotes, commas and braces.',
  },
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    detail: 'Something in the request is missing or wrong; see `errors`.',
  },
  invalid_crd_command: {
    status: 400,
    title: 'Invalid CRD command',
    detail: 'Invalid CRD command received. Please ask your instructor for help.',
  },
  request_incomplete: {
    status: 400,
    title: 'Request incomplete',
    detail: 'The connection ended before the whole body arrived. Send the request again.',
  },
  unauthorized: {
    status: 401,
    title: 'Unauthorized',
    detail: 'Credentials are required. Sign in with your name and password.',
  },
  token_required: {
    status: 401,
    title: 'VM token required',
    detail: "Send this VM's token: `Authorization: Bearer <API_TOKEN>`.",
  },
  token_wrong: {
    status: 401,
    title: 'Wrong token',
    detail: 'The bearer token is not valid for this request. A VM token is valid for its own hostname only.',
  },
  cross_site: {
    status: 403,
    title: 'Request from another site',
    detail: "This request came from a page of another site and was refused. Use the allocator's own pages.",
  },
  not_found: {
    status: 404,
    title: 'Not found',
    detail: 'There is nothing at this address. See /docs, or /openapi.yaml for the contract.',
  },
  vm_not_found: { status: 404, title: 'VM not found', detail: 'VM not found.' },
  no_vms: { status: 404, title: 'No VMs', detail: 'No VMs found.' },
  no_files: { status: 404, title: 'No files', detail: 'No files were found on any machine.' },
  assignment_not_found: {
    status: 404,
    title: 'Assignment not found',
    detail: 'There is no such assignment, or it belongs to another browser.',
  },
  agent_not_built: {
    status: 404,
    title: 'Agent not built',
    detail: 'The agent has not been built on this server. Run `make agent` there, then try again.',
  },
  operation_not_found: {
    status: 404,
    title: 'Operation not found',
    detail: 'There is no such operation.',
  },
  metrics_off: {
    status: 404,
    title: 'Metrics off',
    detail:
      'Metrics are not served here, because others could read them. Set METRICS_TOKEN, or METRICS_PORT for a port of their own.',
  },
  orphan_not_found: {
    status: 404,
    title: 'No such orphan',
    detail: 'There is no orphan with this ID. Reload the list.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'Method not supported here; see the `Allow` header.',
  },
  none_free: {
    status: 409,
    title: 'None free',
    detail: 'No available VMs. Please try again later. Please ask your instructor for help',
  },
  too_many_vms: {
    status: 409,
    title: 'Too many machines',
    detail:
      'This browser or this network has as many machines as it may have. Use one of them, or ask your instructor.',
  },
  pin_required: {
    status: 409,
    title: 'PIN required',
    detail:
      'This e-mail already has a machine, requested from another browser. Enter its PIN, use the browser you started with, or ask your instructor.',
  },
  poll_superseded: {
    status: 409,
    title: 'Superseded',
    detail: 'A newer poll of the same VM has replaced this one. Only one poll can wait at a time.',
  },
  hostname_taken: {
    status: 409,
    title: 'Hostname taken',
    detail:
      'A VM with this name exists, or was destroyed within the last hour. Choose another name; for an existing VM whose token is lost, issue a new token.',
  },
  assignment_released: {
    status: 409,
    title: 'Assignment released',
    detail: 'This assignment has been released; the outcome was not recorded.',
  },
  command_replaced: {
    status: 409,
    title: 'Command replaced',
    detail: 'A newer command has replaced this one; the outcome was not recorded. Poll /vm_startup for it.',
  },
  not_recycling: {
    status: 409,
    title: 'Not recycling',
    detail: 'This VM is not being recycled for that assignment: it is assigned again. Nothing was changed.',
  },
  operation_running: {
    status: 409,
    title: 'Operation running',
    detail: 'Another operation is running; only one can run at a time. Wait until it finishes, or cancel it.',
  },
  selection_changed: {
    status: 409,
    title: 'Selection changed',
    detail:
      'Some of these machines have been assigned to other participants since they were selected. Nothing was done. Look at the list again.',
  },
  idempotency_key_reused: {
    status: 409,
    title: 'Key used before',
    detail: 'This `Idempotency-Key` was used for another request. Use a new key for each request.',
  },
  orphan_not_adoptable: {
    status: 409,
    title: 'Cannot be adopted',
    detail: 'This orphan cannot be adopted; the list of orphans says why.',
  },
  orphan_not_terminable: {
    status: 409,
    title: 'Cannot be terminated',
    detail: 'This machine could not be terminated from here. Terminate it where it runs.',
  },
  operation_finished: {
    status: 409,
    title: 'Operation finished',
    detail: 'This operation has already finished; there is nothing to cancel.',
  },
  vm_not_assigned: {
    status: 409,
    title: 'VM not assigned',
    detail: 'This machine is not assigned. Nothing was changed.',
  },
  cannot_restart: {
    status: 409,
    title: 'Cannot restart',
    detail: 'This machine cannot be restarted from here.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The body is larger than this endpoint allows. Send less at once.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'The content type, charset or encoding of the body is not supported here.',
  },
  too_many_requests: {
    status: 429,
    title: 'Too many requests',
    detail: 'Too many requests from this address. Wait as long as `Retry-After` says.',
  },
  too_many_pin_attempts: {
    status: 429,
    title: 'Too many PIN attempts',
    detail: 'Too many wrong PINs. Wait a few minutes, or use the browser you started with.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    detail:
      'Something went wrong in the server. The details are in its log under the request ID. Nothing was changed.',
  },
  download_failed: {
    status: 500,
    title: 'Download failed',
    detail: 'No machine could be checked for files.',
  },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    detail: 'The database cannot be reached right now. Try again in a few seconds.',
  },
  storage_full: {
    status: 503,
    title: 'Storage full',
    detail: "The server's storage is full; nothing was stored. An admin must free space.",
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    detail: 'The server has reached one of its limits. Try again in a few seconds.',
  },
  provider_not_ready: {
    status: 503,
    title: 'Not ready',
    detail: 'This server cannot launch or destroy machines right now. The launch page says why.',
  },
  restart_failed: {
    status: 503,
    title: 'Restart failed',
    detail: 'The machine could not be restarted.',
  },
  stopping: { status: 503, title: 'Stopping', detail: 'The server is stopping. Try again in a few seconds.' },
  poll_timed_out: { status: 503, title: 'Poll timed out', detail: 'No assignment yet. Poll again.' },
  logs_not_yet: { status: 503, title: 'No logs yet', detail: 'VM is installing CloudWatch agent.' },
} as const satisfies Record<string, Entry>;

export type ProblemCode = keyof typeof problems;
type StatusOf<Code extends ProblemCode> = (typeof problems)[Code]['status'];

/** A problem as a reply of a handler; its status is known to the compiler. */
export type ProblemReply<Code extends ProblemCode> = {
  readonly status: StatusOf<Code>;
  readonly type: 'application/problem+json';
  readonly body: Problem;
  readonly headers?: Readonly<Record<string, string>>;
};

export type ProblemExtras = {
  /** Replaces the sentence of the catalogue, or of the errors of an invalid request. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** The operation that is running. */
  readonly operation?: Problem['operation'];
  readonly headers?: Readonly<Record<string, string>>;
};

const NAMED_ERRORS = 3;

/** Programs that read only `error` learn from it what is wrong too. */
function detailOf(code: ProblemCode, { detail, errors = [] }: ProblemExtras): string {
  if (detail !== undefined) return detail;
  if (code !== 'invalid_request' || errors.length === 0) return problems[code].detail;
  const named = errors.slice(0, NAMED_ERRORS).map(({ field, message }) => {
    const said = message.replace(/\.$/, '');
    return said.startsWith(`${field} `) ? said : `${field}: ${said}`;
  });
  return `${named.join('; ')}${errors.length > NAMED_ERRORS ? '; and more.' : '.'}`;
}

/** The body of a problem. */
export function problemBody(code: ProblemCode, extras: ProblemExtras = {}): Problem {
  const entry = problems[code];
  const detail = detailOf(code, extras);
  return {
    type: `/docs#problem-${code}`,
    title: entry.title,
    status: entry.status,
    code,
    detail,
    error: detail,
    ...(extras.errors && { errors: [...extras.errors] }),
    ...(extras.operation && { operation: extras.operation }),
  };
}

/** A reply with the problem of this code. */
export function problem<Code extends ProblemCode>(
  code: Code,
  extras: ProblemExtras = {},
): ProblemReply<Code> {
  const status = problems[code].status as StatusOf<Code>;
  return {
    status,
    type: 'application/problem+json',
    body: problemBody(code, extras),
    headers: { ...extras.headers },
  };
}

/** Thrown where a problem must cross a function that cannot return it (middleware, a query in an outage). */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly extras: ProblemExtras;
  constructor(code: ProblemCode, extras: ProblemExtras = {}) {
    super(detailOf(code, extras));
    this.name = 'ProblemError';
    this.code = code;
    this.extras = extras;
  }
}
