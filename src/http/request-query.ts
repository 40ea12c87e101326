// The query parameters of a request, turned into what the contract declares. The validator would take `0x10` for a
// number, and `a[b]=c` for an object: both are dealt with before it sees them. Pure.
import type { FieldError } from '../contract/problems.ts';
import type { QueryRules } from './contract-document.ts';
import { convertStrictly, parseQuery } from './parse-form.ts';

export type Query = {
  readonly values: Readonly<Record<string, unknown>>;
  readonly errors: readonly FieldError[];
};

const ANYTHING: QueryRules = { types: {}, unknownAllowed: true };
const NOUNS: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

/** A parameter that is given more than once is left a list, and the validator says what is wrong with it. */
export function readQuery(url: string, rules: QueryRules = ANYTHING): Query {
  const start = url.indexOf('?');
  if (start === -1) return { values: {}, errors: [] };
  const errors: FieldError[] = [];
  const values: (readonly [string, unknown])[] = [];
  for (const [name, given] of parseQuery(url.slice(start + 1))) {
    const fault = parameterFault(name, given, rules);
    if (fault !== null) errors.push({ field: name, ...fault, message: `${name} ${fault.message}` });
    else if (!isNested(name)) values.push([name, parameterValue(given, typeOf(name, rules))]);
  }
  return { values: Object.fromEntries(values), errors };
}

function parameterFault(
  name: string,
  given: readonly string[],
  rules: QueryRules,
): Omit<FieldError, 'field'> | null {
  if (isNested(name))
    return rules.unknownAllowed ? null : { code: 'unknown', message: 'is not a known query parameter' };
  const type = typeOf(name, rules);
  const plain = given.length === 1 && given[0] !== '';
  if (type === undefined || !plain || typeof parameterValue(given, type) !== 'string') return null;
  return { code: 'type', message: `must be ${NOUNS[type] ?? type}` };
}

function parameterValue(given: readonly string[], type: string | undefined): unknown {
  const [first = ''] = given;
  if (given.length > 1) return [...given];
  return type === undefined ? first : convertStrictly(first, type);
}

function typeOf(name: string, { types }: QueryRules): string | undefined {
  return Object.hasOwn(types, name) ? types[name] : undefined;
}

function isNested(name: string): boolean {
  return name.includes('[') || name === '__proto__';
}
