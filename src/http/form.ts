// Fields of forms and queries, which are strings, as what the contract declares: strictly, since the validator would take
// `0x10` for sixteen. Pure.
import type { FormFieldType, QueryType } from '../contract/endpoint.ts';
import type { Endpoint } from '../contract/erased.ts';
import { ProblemError, type FieldError } from '../contract/problems.ts';
import { mustBe } from './field-errors.ts';
import { HAS_NUL } from './patterns.ts';

type FieldTypes = Readonly<Record<string, FormFieldType>>;

const WHOLE_NUMBER = /^(?:0|-?[1-9]\d{0,14})$/;
const DECIMAL = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;

/** Throws `bad_request` where a field is not percent-encoded UTF-8. */
export function parseForm(text: string): URLSearchParams {
  try {
    decodeURIComponent(text);
  } catch {
    throw new ProblemError('bad_request', {
      detail: 'The form is damaged: a field is not percent-encoded UTF-8. Load the page again.',
    });
  }
  return new URLSearchParams(text);
}

/** A field that cannot be what it should is left a string, and the validator says what is wrong with it. */
export function convertForm(
  fields: URLSearchParams,
  types: FieldTypes,
): { readonly value: Readonly<Record<string, unknown>>; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = [];
  // Not by `getAll` for each name: that takes seconds for a body of thousands of names.
  const entries = [...Map.groupBy(fields, ([name]) => name)].flatMap(([name, given]): [string, unknown][] => {
    const [[, value] = ['', ''], ...more] = given;
    const type = Object.hasOwn(types, name) ? types[name] : undefined;
    if (type === undefined) return [[name, value]];
    if (type === 'array') return [[name, given.map(([, entry]) => entry)]];
    // A browser sends an empty number field as an empty string: nothing was given.
    if (type !== 'string' && more.length === 0 && value === '') return [];
    if (more.length > 0)
      errors.push({ field: name, code: 'duplicate', message: `${name} was given more than once` });
    else if (value.includes('\0'))
      errors.push({ field: name, code: 'pattern', message: `${name} ${HAS_NUL}` });
    return [[name, convert(value, type)]];
  });
  return { value: Object.fromEntries(entries), errors };
}

/** The number or boolean that the text is in its one plain spelling; else the text. */
function convert(text: string, type: QueryType): unknown {
  if (type === 'integer') return WHOLE_NUMBER.test(text) ? Number(text) : text;
  if (type === 'number') return DECIMAL.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

/** What was typed into the declared fields, cut to a bound, so that the form can be shown again. */
export function typedValues(
  fields: URLSearchParams,
  types: FieldTypes,
  maxCharacters: number,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.keys(types).flatMap((name) => {
      const value = fields.get(name);
      return value === null ? [] : [[name, value.replaceAll('\0', '').slice(0, maxCharacters)] as const];
    }),
  );
}

/** What is wrong with query parameters that the validator would let pass, or turn into something else. */
export function queryErrors(query: Readonly<Record<string, unknown>>, endpoint: Endpoint): FieldError[] {
  return Object.entries(query).flatMap(([name, value]): FieldError[] => {
    const type = Object.hasOwn(endpoint.query, name) ? endpoint.query[name] : undefined;
    if (type === undefined)
      return endpoint.unknownQueryAllowed
        ? []
        : [{ field: name, code: 'unknown', message: `${name} is not a known query parameter` }];
    // The forms of pages send empty fields; what a page does not ask for is left to the page.
    if (value === '' && endpoint.unknownQueryAllowed) return [];
    // An empty text is left to its schema: the CSV has the search field of the table, which may be empty.
    if (value === '' && type !== 'string')
      return [{ field: name, code: 'min_length', message: `${name} must not be empty` }];
    const isRight = typeof value === 'string' && (type === 'string' || convert(value, type) !== value);
    return isRight ? [] : [{ field: name, code: 'type', message: `${name} ${mustBe(type)}` }];
  });
}
