// The part of the schema about watching the allocator: its metrics and its log.
import { z } from 'zod';
import { env } from './setting.ts';
import * as rules from './rules.ts';

const { flag, oneOf, wholeNumber } = rules;

const metrics = z.object({
  port: env('METRICS_PORT', wholeNumber(0, 65_535), {
    otherwise: 'none: `/metrics` is served at `PORT`, if at all',
    meaning: 'A port of its own for `/metrics`, for Prometheus; `0` is any free port.',
  }),
  host: env('METRICS_HOST', rules.listenHost, {
    default: '127.0.0.1',
    meaning: 'Address on which that port listens; `0.0.0.0` is every interface.',
  }),
  token: env('METRICS_TOKEN', rules.bearerToken, {
    secret: true,
    otherwise: 'none: `/metrics` at `PORT` answers only where no other computer and no proxy can reach it',
    meaning: 'Token with which Prometheus reads `/metrics`, at either port.',
  }),
});

/** The metrics have a section; the log belongs to no section. */
export const metricSettings = metrics.describe('Metrics');

export const logSettings = {
  logLevel: env('LOG_LEVEL', oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), {
    default: 'info',
    meaning: 'The least severe lines in the log.',
  }),
  logFormat: env('LOG_FORMAT', oneOf(['json', 'text']), {
    otherwise: '`text` on a terminal, else `json`',
    meaning:
      'How log lines are written: `json` for programs, with every field and the ID of the request, or `text` for people.',
  }),
  logRequests: env('LOG_REQUESTS', flag, {
    default: false,
    meaning:
      'Whether every request is logged at `info`. Otherwise only failed and slow ones are, and the others at `debug`.',
  }),
};
