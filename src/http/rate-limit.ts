// Requests of one address, bounded. A whole workshop can be one address, so the bound is generous (config).
import type { Request, Response } from 'express';
import { MemoryStore, rateLimit } from 'express-rate-limit';
import type { EndpointId } from '../contract/endpoints.gen.ts';
import { ProblemError } from '../contract/problems.ts';
import { member } from './records.ts';

export type RateLimit = {
  /** Rejects with `too_many_requests`. */
  readonly check: (req: Request, res: Response, endpointId: EndpointId | null) => Promise<void>;
  readonly close: () => void;
};

const WINDOW_MS = 60_000;
/** A probe must not be refused because others are loud. */
const NOT_COUNTED: readonly (EndpointId | null)[] = ['getHealth', 'getLiveness'];

export function createRateLimit(requestsPerMinute: number): RateLimit {
  const store = new MemoryStore();
  const limiter = rateLimit({
    windowMs: WINDOW_MS,
    limit: requestsPerMinute,
    store,
    standardHeaders: false,
    legacyHeaders: false,
    // Its checks of our set-up write to the console.
    validate: false,
    handler: (req, _res, next) => next(tooMany(req)),
  });
  return {
    check: (req, res, endpointId) => {
      if (NOT_COUNTED.includes(endpointId)) return Promise.resolve();
      return new Promise((resolve, reject) => {
        void limiter(req, res, (error?: unknown) => {
          if (error === undefined) resolve();
          else
            reject(error instanceof Error ? error : new Error('the rate limiter failed', { cause: error }));
        });
      });
    },
    close: () => store.shutdown(),
  };
}

function tooMany(req: Request): ProblemError {
  const resetTime = member(Reflect.get(req, 'rateLimit'), 'resetTime');
  const waitMs = resetTime instanceof Date ? resetTime.getTime() - Date.now() : WINDOW_MS;
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new ProblemError('too_many_requests', { headers: { 'Retry-After': String(seconds) } });
}
