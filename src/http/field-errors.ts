// What the validator found, as a code for programs and a sentence for people. Pure.
import type { FieldError } from '../contract/problems.ts';
import { FORMATS, PATTERNS } from './patterns.ts';

/** One entry of the `errors` of express-openapi-validator. */
export type ValidatorError = {
  /** Like `/body/hostname`. */
  readonly path?: string | undefined;
  readonly message?: string | undefined;
  /** Like `required.openapi.validation`: the keyword of the schema that is broken. */
  readonly errorCode?: string | undefined;
};

/** The contract's bound on `errors` of a problem. */
const ERRORS_MAX = 100;

/** One error for each field, the first that was found. */
export function fieldErrors(found: readonly ValidatorError[]): readonly FieldError[] {
  const byField = new Map<string, FieldError>();
  for (const { path = '', message = '', errorCode = '' } of found) {
    if (byField.size === ERRORS_MAX) break;
    const field = fieldName(path);
    if (byField.has(field)) continue;
    const { code, say } = RULES[errorCode.split('.', 1)[0] ?? ''] ?? OTHER_RULE;
    byField.set(field, { field, code, message: `${field} ${say(message)}` });
  }
  return [...byField.values()];
}

/** `/body/messages/3` → `messages[3]`. */
function fieldName(path: string): string {
  const [place = '', ...steps] = path.split('/').slice(1).map(unescapePointer);
  if (steps.length === 0) return place === '' ? 'request' : place;
  return steps
    .reduce((name, step) => (/^\d+$/.test(step) ? `${name}[${step}]` : `${name}.${step}`), '')
    .slice(1);
}

function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** `say` gets Ajv's message, and takes the limit out of it: the validator does not pass it on in another way. */
type Rule = { readonly code: string; readonly say: (message: string) => string };

const OTHER_RULE: Rule = { code: 'invalid', say: () => AS_DECLARED };

/** By the keyword of the schema. */
const RULES: Readonly<Record<string, Rule>> = {
  required: { code: 'required', say: () => 'is required' },
  additionalProperties: { code: 'unknown', say: () => 'is not a known field' },
  type: { code: 'type', say: (message) => mustBe(message.slice('must be '.length)) },
  enum: { code: 'enum', say: (message) => `must be one of: ${message.slice(message.indexOf(': ') + 2)}` },
  format: { code: 'format', say: (message) => sentenceOf(FORMATS, message) },
  minLength: { code: 'min_length', say: (message) => atLeast(message, 'character', 'characters') },
  maxLength: { code: 'max_length', say: (message) => atMost(message, 'character', 'characters') },
  minItems: { code: 'min_items', say: (message) => atLeast(message, 'entry', 'entries') },
  maxItems: { code: 'max_items', say: (message) => atMost(message, 'entry', 'entries') },
  minimum: { code: 'minimum', say: (message) => `must be at least ${limitIn(message)}` },
  maximum: { code: 'maximum', say: (message) => `must be at most ${limitIn(message)}` },
  pattern: { code: 'pattern', say: (message) => sentenceOf(PATTERNS, message) },
};

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

/** Takes one type of JSON schema or several, as `integer,null`. */
export function mustBe(types: string): string {
  return `must be ${types
    .split(',')
    .map((type) => TYPES[type] ?? type)
    .join(' or ')}`;
}

/** Where this program knows no better sentence. */
const AS_DECLARED = 'must be as /openapi.yaml says';

/** Takes the pattern or the format, in quotes, out of Ajv's message. */
function sentenceOf(known: Readonly<Record<string, string>>, message: string): string {
  const quoted = message.slice(message.indexOf('"') + 1, message.lastIndexOf('"'));
  return Object.hasOwn(known, quoted) ? (known[quoted] ?? AS_DECLARED) : AS_DECLARED;
}

function limitIn(message: string): number {
  return Number(/-?\d+(?:\.\d+)?/.exec(message)?.[0]);
}

function atLeast(message: string, one: string, many: string): string {
  const limit = limitIn(message);
  return limit === 1 ? 'must not be empty' : `must have at least ${amount(limit, one, many)}`;
}

function atMost(message: string, one: string, many: string): string {
  return `must have at most ${amount(limitIn(message), one, many)}`;
}

function amount(limit: number, one: string, many: string): string {
  return `${limit} ${limit === 1 ? one : many}`;
}
