// What would be complained about entry by entry, looked for in a parsed body before that: lists that are too long. Pure.
import type { FieldError } from '../contract/problems.ts';
import { isRecord } from './records.ts';

/** The fields of the body that are lists of more entries than this. */
export function listFaults(body: unknown, maxEntries: number): readonly FieldError[] {
  if (!isRecord(body)) return [];
  return Object.entries(body)
    .filter(([, value]) => Array.isArray(value) && value.length > maxEntries)
    .map(([field]) => ({
      field,
      code: 'max_items',
      message: `${field} must have at most ${maxEntries} entries`,
    }));
}
