// The filter of the audit, as it stands in an address. Pure.
import type { FieldError } from '../contract/problems.ts';
import { fail, succeed, type Result } from '../result.ts';

/** As it was typed; empty = no filter. */
export type AuditQuery = {
  readonly who?: string;
  readonly what?: string;
  readonly target?: string;
  readonly from?: string;
  readonly to?: string;
};

type Times = { readonly from: Date | null; readonly to: Date | null };

const DATE = /^\d{4}-\d\d-\d\d$/;
const WITHOUT_ZONE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?$/;
const WITH_ZONE = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;
const DAY_MS = 86_400_000;

/** The times of a filter; without a zone they are in UTC. */
export function readAuditTimes({ from = '', to = '' }: AuditQuery): Result<Times, readonly FieldError[]> {
  const [since, until] = [readTime(from), readTime(to)];
  const wrong = [...(since === 'wrong' ? ['from'] : []), ...(until === 'wrong' ? ['to'] : [])];
  if (since === 'wrong' || until === 'wrong')
    return fail(
      wrong.map((field) => ({
        field,
        code: 'format',
        message: 'This is not a time such as 2026-01-31 or 2026-01-31T09:00.',
      })),
    );
  // A day includes all of it.
  const end = until !== null && DATE.test(to) ? new Date(until.getTime() + DAY_MS) : until;
  return succeed({ from: since, to: end });
}

function readTime(typed: string): Date | null | 'wrong' {
  const text = typed.trim();
  if (text === '') return null;
  if (!DATE.test(text) && !WITHOUT_ZONE.test(text) && !WITH_ZONE.test(text)) return 'wrong';
  const at = new Date(WITHOUT_ZONE.test(text) ? `${text}Z` : text);
  return Number.isNaN(at.getTime()) ? 'wrong' : at;
}

/** The parameters of an address with this filter, without those that are empty. */
export function auditParameters(query: AuditQuery): URLSearchParams {
  const search = new URLSearchParams();
  for (const name of ['who', 'what', 'target', 'from', 'to'] as const) {
    const value = query[name] ?? '';
    if (value !== '') search.set(name, value);
  }
  return search;
}
