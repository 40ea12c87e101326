// Removes secrets from the fields of a log line, by the names of their keys, at any depth; errors become plain fields.
// The redaction of pino knows exact paths only, and looks into no error and no text.
import { describeError } from './describe-error.ts';
import { REDACTED, scrubText } from './scrub.ts';

/** Nobody reads more than this, and a log line must end. */
const DEPTH = 8;
const LIST_ENTRIES = 100;
const VALUES_PER_LINE = 2_000;

/** Without case, dashes and underscores: whole names, and parts that make any name secret. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['pin', 'pins', 'pincode', 'pass', 'rawheaders']);
const SECRET_PARTS =
  /crdcommand|password|passphrase|secret|token|cookie|authorization|credential|privatekey|apikey/;

/** The levels that remain, the enclosing objects, and how many values the line can still take. */
type Position = {
  readonly depth: number;
  readonly within: readonly object[];
  readonly budget: { left: number };
};

/** The fields without secrets, bounded in depth and size. Never throws: logging must not fail. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    return redactEntries(fields, { depth: DEPTH, within: [], budget: { left: VALUES_PER_LINE } });
  } catch (error) {
    return { not_logged: `The fields could not be read: ${scrubText(String(error))}` };
  }
}

function redactEntries(value: object, position: Position): Record<string, unknown> {
  const inside = { ...position, depth: position.depth - 1, within: [...position.within, value] };
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => [
      key,
      isSecret(key, entry) ? REDACTED : redactValue(entry, inside),
    ]),
  );
}

/** Whether a secret exists at all (true, false, null) does not reveal it. */
function isSecret(key: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean') return false;
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  return SECRET_NAMES.has(name) || SECRET_PARTS.test(name);
}

function redactValue(value: unknown, position: Position): unknown {
  position.budget.left -= 1;
  if (position.budget.left < 0) return '[cut]';
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  return typeof value === 'object' && value !== null ? redactObject(value, position) : value;
}

function redactObject(value: object, position: Position): unknown {
  if (position.within.includes(value)) return '[circular]';
  if (position.depth <= 0) return '[too deep]';
  if (value instanceof Error) return redactEntries(describeError(value), position);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString();
  if (value instanceof URL) return scrubText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return redactEntries(entriesOf(value), position);
  if (Array.isArray(value) || value instanceof Set) return redactList([...value], position);
  return redactEntries(value, position);
}

function entriesOf(map: ReadonlyMap<unknown, unknown>): object {
  return Object.fromEntries([...map].map(([key, value]) => [String(key), value]));
}

function redactList(list: unknown[], position: Position): unknown[] {
  const inside = { ...position, depth: position.depth - 1, within: [...position.within, list] };
  const entries = list.slice(0, LIST_ENTRIES).map((entry) => redactValue(entry, inside));
  return list.length > LIST_ENTRIES ? [...entries, `… ${list.length - LIST_ENTRIES} more`] : entries;
}
