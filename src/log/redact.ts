// Fields as they may be logged: what is secret by the name of its key goes, at any depth; errors become plain fields.
// pino's own redaction knows exact paths only, and none inside of errors and texts. Knows no logger.
import { describeError } from './describe-error.ts';
import { REDACTED, scrubText } from './scrub.ts';

/** More than this is not for people to read, and a log line must end. */
const DEPTH = 8;
const LIST_ENTRIES = 100;
const VALUES_PER_LINE = 2_000;

/** Names without case, dashes and underscores: whole ones, and parts that make any name secret. */
const SECRET_NAMES: ReadonlySet<string> = new Set(['pin', 'pins', 'pincode', 'pass', 'rawheaders']);
const SECRET_PARTS =
  /crdcommand|password|passphrase|secret|token|cookie|authorization|credential|privatekey|apikey/;

/** Where a value stands: how many levels remain, what encloses it, and how many values the line still takes. */
type Place = {
  readonly depth: number;
  readonly within: readonly object[];
  readonly budget: { left: number };
};

/** The fields without secrets, bounded in depth and size. Never throws: a log line must not be what fails. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    return redactEntries(fields, { depth: DEPTH, within: [], budget: { left: VALUES_PER_LINE } });
  } catch (error) {
    return { not_logged: `The fields could not be read: ${scrubText(String(error))}` };
  }
}

function redactEntries(value: object, place: Place): Record<string, unknown> {
  const inside = { ...place, depth: place.depth - 1, within: [...place.within, value] };
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => [
      key,
      isSecret(key, entry) ? REDACTED : redactValue(entry, inside),
    ]),
  );
}

/** Whether something is there at all (true, false, null) tells nobody the secret. */
function isSecret(key: string, value: unknown): boolean {
  if (value === null || value === undefined || typeof value === 'boolean') return false;
  const name = key.toLowerCase().replace(/[^a-z0-9]/g, '');
  return SECRET_NAMES.has(name) || SECRET_PARTS.test(name);
}

function redactValue(value: unknown, place: Place): unknown {
  place.budget.left -= 1;
  if (place.budget.left < 0) return '[cut]';
  if (typeof value === 'string') return scrubText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  return typeof value === 'object' && value !== null ? redactObject(value, place) : value;
}

function redactObject(value: object, place: Place): unknown {
  if (place.within.includes(value)) return '[circular]';
  if (place.depth <= 0) return '[too deep]';
  if (value instanceof Error) return redactEntries(describeError(value), place);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[no date]' : value.toISOString();
  if (value instanceof URL) return scrubText(value.href);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (value instanceof Map) return redactEntries(entriesOf(value), place);
  if (Array.isArray(value) || value instanceof Set) return redactList([...value], place);
  return redactEntries(value, place);
}

function entriesOf(map: ReadonlyMap<unknown, unknown>): object {
  return Object.fromEntries([...map].map(([key, value]) => [String(key), value]));
}

function redactList(list: unknown[], place: Place): unknown[] {
  const inside = { ...place, depth: place.depth - 1, within: [...place.within, list] };
  const entries = list.slice(0, LIST_ENTRIES).map((entry) => redactValue(entry, inside));
  return list.length > LIST_ENTRIES ? [...entries, `… ${list.length - LIST_ENTRIES} more`] : entries;
}
