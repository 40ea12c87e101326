// What the validator found, in words that a person understands. Pure.
import type { FieldError } from '../contract/problems.ts';

/** As express-openapi-validator tells it. */
export type ValidatorError = {
  /** Like `/body/hostname`. */
  readonly path?: string | undefined;
  readonly message?: string | undefined;
  /** Like `required.openapi.validation`. */
  readonly errorCode?: string | undefined;
};

/** As the contract bounds `errors` of a problem. */
const ERRORS_MAX = 100;

/** One error for each field, the first that was found. */
export function fieldErrors(found: readonly ValidatorError[]): readonly FieldError[] {
  const byField = new Map<string, FieldError>();
  for (const error of found) {
    if (byField.size === ERRORS_MAX) break;
    const field = fieldName(error.path ?? '');
    if (!byField.has(field)) byField.set(field, { field, message: `${field} ${complaint(error)}` });
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

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  null: 'null',
};

/** The pattern of texts that Postgres can store, as the contract spells it. */
const NO_NUL = String.raw`^[^\u0000]*$`;

type Saying = (told: string, rest: string) => string;

/** Keyword of the schema → what is said; `rest` is what the validator says after its standing words. */
const SAYINGS: Readonly<Record<string, { readonly after: RegExp; readonly say: Saying }>> = {
  required: { after: /^/, say: () => 'is required' },
  additionalProperties: { after: /^/, say: () => 'is not a known field' },
  type: { after: /^must be /, say: (_, types) => `must be ${types.split(',').map(typeWord).join(' or ')}` },
  enum: { after: /^.*values: /, say: (_, values) => `must be one of: ${values}` },
  minLength: { after: /^\D*/, say: (_, rest) => atLeast(rest, 'character') },
  maxLength: { after: /^\D*/, say: (_, rest) => `must have at most ${amount(rest, 'character')}` },
  minItems: { after: /^\D*/, say: (_, rest) => atLeast(rest, 'entry') },
  maxItems: { after: /^\D*/, say: (_, rest) => `must have at most ${amount(rest, 'entry')}` },
  minimum: { after: /^must be >= /, say: (_, least) => `must be at least ${least}` },
  maximum: { after: /^must be <= /, say: (_, most) => `must be at most ${most}` },
  pattern: {
    after: /^must match pattern /,
    say: (_, pattern) =>
      pattern.includes(NO_NUL)
        ? 'must not contain NUL characters'
        : `has characters or a form that is not allowed here (the pattern is ${pattern})`,
  },
};

function complaint({ message = 'is wrong', errorCode = '' }: ValidatorError): string {
  if (message.startsWith('Unknown query parameter')) return 'is not a known query parameter';
  if (message.startsWith('Empty value found')) return 'must not be empty';
  const saying = SAYINGS[errorCode.split('.', 1)[0] ?? ''];
  return saying ? saying.say(message, message.replace(saying.after, '')) : message;
}

function typeWord(type: string): string {
  return TYPES[type] ?? type;
}

function atLeast(rest: string, noun: 'character' | 'entry'): string {
  return Number.parseInt(rest, 10) === 1 ? 'must not be empty' : `must have at least ${amount(rest, noun)}`;
}

function amount(rest: string, noun: 'character' | 'entry'): string {
  const count = Number.parseInt(rest, 10);
  if (count === 1) return `1 ${noun}`;
  return noun === 'entry' ? `${count} entries` : `${count} characters`;
}
