// Requests of one address, bounded. A whole workshop can be one address, so the bound is generous (config).
import type { Request, RequestHandler } from 'express';
import { MemoryStore, rateLimit } from 'express-rate-limit';
import { ProblemError } from '../contract/problems.ts';
import { member } from './records.ts';

const WINDOW_MS = 60_000;

/** The middleware passes `too_many_requests` on. `close` ends its timer. */
export function createRateLimit(requestsPerMinute: number): {
  readonly middleware: RequestHandler;
  readonly close: () => void;
} {
  const store = new MemoryStore();
  const middleware = rateLimit({
    windowMs: WINDOW_MS,
    limit: requestsPerMinute,
    store,
    standardHeaders: false,
    legacyHeaders: false,
    // Its checks of our set-up write to the console.
    validate: false,
    handler: (req, _res, next) => next(tooMany(req)),
  });
  return { middleware, close: () => store.shutdown() };
}

function tooMany(req: Request): ProblemError {
  const resetTime = member(Reflect.get(req, 'rateLimit'), 'resetTime');
  const waitMs = resetTime instanceof Date ? resetTime.getTime() - Date.now() : WINDOW_MS;
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new ProblemError('too_many_requests', { headers: { 'Retry-After': String(seconds) } });
}
