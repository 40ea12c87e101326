// What JSON Schema cannot forbid everywhere, looked for in a parsed body: NUL characters, which Postgres cannot store,
// and lists so long that every entry would be complained about. Pure.
import type { OperationId } from '../contract/operations.gen.ts';
import type { FieldError } from '../contract/problems.ts';
import { isRecord } from './records.ts';

/** Log lines hold whatever a program printed; their handler takes the NULs out. */
const KEEP_NUL: Partial<Record<OperationId, readonly string[]>> = { postVmLogs: ['messages'] };

/** The fields of the body that hold a NUL anywhere within. */
export function nulFaults(body: unknown, operationId: OperationId): readonly FieldError[] {
  const kept = KEEP_NUL[operationId] ?? [];
  const fields = isRecord(body) ? Object.entries(body) : [['body', body] as const];
  return fields
    .filter(([field, value]) => !kept.includes(field) && holdsNul(value))
    .map(([field]) => ({ field, message: `${field} must not contain NUL characters` }));
}

/** With a list of its own in the place of recursion: how deep a body nests is the sender's choice. */
function holdsNul(value: unknown): boolean {
  const rest = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string' && next.includes('\0')) return true;
    if (typeof next !== 'object' || next === null) continue;
    for (const inner of Object.values(next)) rest.push(inner);
  }
  return false;
}

/** The fields of the body that are lists of more entries than this. */
export function listFaults(body: unknown, maxEntries: number): readonly FieldError[] {
  if (!isRecord(body)) return [];
  return Object.entries(body)
    .filter(([, value]) => Array.isArray(value) && value.length > maxEntries)
    .map(([field]) => ({ field, message: `${field} must have at most ${maxEntries} entries` }));
}
