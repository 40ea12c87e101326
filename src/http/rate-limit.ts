// Requests of one client, bounded. A whole workshop can be one address, so that bound is generous (config), and clients that are
// known have their own: a loud neighbour behind the same address takes nothing from an admin, a VM or a participant's browser.
import { createHash } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { MemoryStore, rateLimit } from 'express-rate-limit';
import type { Caller } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';
import { createFailures, networkOf } from './failures.ts';
import { member } from './records.ts';

const WINDOW_MS = 60_000;
/** Ten a second: more than a person with many tabs. The id of a browser is easy to get, so it allows less than a password. */
const BROWSER_REQUESTS = 600;
/** Credentials of an address over its limit that are looked at although nobody has seen them before. */
const FIRST_LOOKS = 60;
/** Credentials that are remembered; the oldest are forgotten. */
const KNOWN_MAX = 10_000;

export type RateLimit = {
  /** Passes `too_many_requests` on. */
  readonly middleware: RequestHandler;
  /** The credentials of this request were right: from now on they have a limit of their own. */
  readonly remember: (req: Request, caller: Caller) => void;
  /** Ends the timers. */
  readonly close: () => void;
};

export type RateLimitOptions = {
  readonly requestsPerMinute: number;
  /** The signed id of the browser; null = it has none. */
  readonly browserIdOf: (req: Request) => string | null;
  /** Before a request is refused; `caller` is known by its credentials, if at all. */
  readonly onRefused: (req: Request, caller: Caller | null) => void;
};

export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { requestsPerMinute } = options;
  const store = new MemoryStore();
  const firstLooks = createFailures(WINDOW_MS);
  const known = createKnownCallers();
  const browserOf = (req: Request): string | null =>
    req.headers.authorization === undefined ? options.browserIdOf(req) : null;

  async function mayBeLookedAt(req: Request): Promise<boolean> {
    if (req.headers.authorization === undefined || known.find(req) !== null) return false;
    return (await firstLooks.count(addressOf(req))) <= Math.min(FIRST_LOOKS, requestsPerMinute);
  }
  /** The problem to pass on; undefined = the request may go on. */
  async function refuse(req: Request): Promise<ProblemError | undefined> {
    if (await mayBeLookedAt(req)) return undefined;
    options.onRefused(req, known.find(req));
    return tooMany(req);
  }
  const middleware = rateLimit({
    windowMs: WINDOW_MS,
    limit: (req) =>
      browserOf(req) === null ? requestsPerMinute : Math.min(BROWSER_REQUESTS, requestsPerMinute),
    keyGenerator: (req) => {
      if (known.find(req) !== null) return known.keyOf(req);
      const browserId = browserOf(req);
      return browserId === null ? addressOf(req) : `browser ${browserId}`;
    },
    store,
    standardHeaders: false,
    legacyHeaders: false,
    // Its checks of our set-up write to the console.
    validate: false,
    handler: (req, _res, next) => void refuse(req).then(next, next),
  });
  return {
    middleware,
    remember: known.remember,
    close: () => {
      store.shutdown();
      firstLooks.close();
    },
  };
}

function addressOf(req: Request): string {
  return `address ${networkOf(req.ip ?? '')}`;
}

/**
 * Callers by their credentials, as far as those were right before. They are not checked here: a right password would be
 * answered differently from a wrong one, as often as somebody likes to try.
 */
function createKnownCallers() {
  const callers = new Map<string, Caller>();
  const keyOf = ({ headers }: Request): string =>
    `caller ${createHash('sha256')
      .update(headers.authorization ?? '')
      .digest('base64')}`;
  return {
    keyOf,
    find: (req: Request): Caller | null =>
      req.headers.authorization === undefined ? null : (callers.get(keyOf(req)) ?? null),
    remember: (req: Request, caller: Caller): void => {
      if (caller.kind === 'anonymous') return;
      const key = keyOf(req);
      if (callers.has(key)) return;
      const [oldest] = callers.keys();
      if (callers.size >= KNOWN_MAX && oldest !== undefined) callers.delete(oldest);
      callers.set(key, caller);
    },
  };
}

function tooMany(req: Request): ProblemError {
  const resetTime = member(Reflect.get(req, 'rateLimit'), 'resetTime');
  const waitMs = resetTime instanceof Date ? resetTime.getTime() - Date.now() : WINDOW_MS;
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new ProblemError('too_many_requests', { headers: { 'Retry-After': String(seconds) } });
}
