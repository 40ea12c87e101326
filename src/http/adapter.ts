// What the parts of the adapter share while they serve: the options, and the few things that live as long as the app.
import type { Endpoint } from '../contract/erased.ts';
import type { Beat } from './beat.ts';
import type { BrowserCookieOptions } from './browser-cookie.ts';
import type { Compress } from './compress.ts';
import type { QueryRules } from './contract-document.ts';
import type { Exchange } from './exchange.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpOptions } from './options.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RequestIds } from './request-id.ts';
import type { Validator } from './validator.ts';

export type Adapter = {
  readonly options: HttpOptions;
  readonly limits: HttpLimits;
  readonly validator: Validator;
  readonly browserCookie: BrowserCookieOptions;
  readonly compress: Compress;
  readonly rateLimit: RateLimit;
  readonly queryRules: ReadonlyMap<string, QueryRules>;
  readonly successTypes: (endpoint: Endpoint) => readonly string[];
  /** One for each interval: keep-alive seconds → the timer of all who wait. */
  readonly beatOf: (seconds: number) => Beat;
  /** Every exchange that is not over. */
  readonly running: Set<Exchange>;
  readonly isStopping: () => boolean;
  readonly nowMs: () => number;
  readonly randomBytes: (size: number) => Buffer;
  readonly requestId: RequestIds;
  /** Counts an answer that breaks the contract, and logs it. In the mode `throw` it throws. */
  readonly onResponseFault: (exchange: Exchange, fault: string) => void;
};
