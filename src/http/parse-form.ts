// `a=1&b=2` to fields, and fields to what the contract declares: strictly, since anything looser would make `0x10`
// sixteen machines. Pure.
import type { FormFieldType } from '../contract/endpoint.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';

/** In the order of their first appearance. */
export type Fields = ReadonlyMap<string, readonly string[]>;

const WHOLE_NUMBER = /^(?:0|-?[1-9]\d{0,14})$/;
const DECIMAL = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;

/**
 * @param onMalformed what becomes of text that is not percent-encoded UTF-8.
 */
export function parseFields(text: string, onMalformed: (text: string) => string): Fields {
  const fields = new Map<string, string[]>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals), onMalformed);
    const value = decode(equals === -1 ? '' : pair.slice(equals + 1), onMalformed);
    const before = fields.get(name);
    if (before) before.push(value);
    else fields.set(name, [value]);
  }
  return fields;
}

function decode(text: string, onMalformed: (text: string) => string): string {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return onMalformed(text);
  }
}

/** The fields of a form body. Throws `bad_request` where one is not percent-encoded UTF-8. */
export function parseFormBody(text: string): Fields {
  return parseFields(text, () => {
    throw new ProblemError('bad_request', {
      detail: 'The form is damaged: a field is not percent-encoded UTF-8. Load the page again.',
    });
  });
}

/** What the address says after `?`. What is damaged stays as it is; the contract's patterns decide. */
export function parseQuery(text: string): Fields {
  return parseFields(text, (damaged) => damaged);
}

export type FormBody = {
  readonly body: Readonly<Record<string, unknown>>;
  readonly errors: readonly FieldError[];
};

/** A field that cannot be what it should is left a string, and the validator says what is wrong with it. */
export function convertForm(fields: Fields, types: Readonly<Record<string, FormFieldType>>): FormBody {
  const errors: FieldError[] = [];
  const entries = [...fields].flatMap(([name, values]): [string, unknown][] => {
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    if (type === undefined) return [[name, values[0] ?? '']];
    // A browser sends an empty number field as an empty string: nothing was given.
    if (type !== 'string' && values.length === 1 && values[0] === '') return [];
    if (values.length > 1)
      errors.push({ field: name, code: 'duplicate', message: `${name} was given more than once` });
    else if (values[0]?.includes('\0'))
      errors.push({ field: name, code: 'pattern', message: `${name} must not contain NUL characters` });
    return [[name, convertStrictly(values[0] ?? '', type)]];
  });
  return { body: Object.fromEntries(entries), errors };
}

/** The number or boolean that the text is in its one plain spelling; else the text. */
export function convertStrictly(text: string, type: string): unknown {
  if (type === 'integer') return WHOLE_NUMBER.test(text) ? Number(text) : text;
  if (type === 'number') return DECIMAL.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

/** What was typed into the declared fields, cut to a bound, so that the form can be shown again. */
export function typedValues(
  fields: Fields,
  types: Readonly<Record<string, FormFieldType>>,
  maxCharacters: number,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.keys(types).flatMap((name) => {
      const value = fields.get(name)?.[0];
      return value === undefined ? [] : [[name, value.replaceAll('\0', '').slice(0, maxCharacters)] as const];
    }),
  );
}
