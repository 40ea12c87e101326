// Nobody who sends something wrong has to read a regular expression.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { fieldErrors } from '../../src/http/field-errors.ts';
import { FORMATS, PATTERNS } from '../../src/http/patterns.ts';

const contract: unknown = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));

function valuesOf(key: string, node: unknown = contract): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) =>
    name === key && typeof value === 'string' ? [value] : valuesOf(key, value),
  );
}

test('every pattern and every format of the contract has a sentence, and none is left over', () => {
  expect([...new Set(valuesOf('pattern'))].toSorted()).toEqual(Object.keys(PATTERNS).toSorted());
  expect([...new Set(valuesOf('format'))].toSorted()).toEqual(Object.keys(FORMATS).toSorted());
});

test('an ID of the contract has no shortest length: the answer would be about its characters, not that it is a UUID', () => {
  const schemas = (
    contract as { components: { schemas: Record<string, { format?: string; minLength?: number }> } }
  ).components.schemas;
  const ids = Object.entries(schemas).filter(([, { format }]) => format === 'uuid');
  expect(ids.length).toBeGreaterThan(4);
  expect(ids.filter(([, { minLength }]) => minLength !== undefined).map(([name]) => name)).toEqual([]);
});

test('a value of the wrong form is answered with what is expected, and never with the expression', () => {
  const sentences = [
    ...Object.keys(PATTERNS).map((pattern) => ['pattern', `must match pattern "${pattern}"`] as const),
    ...Object.keys(FORMATS).map((format) => ['format', `must match format "${format}"`] as const),
    // What this program does not know.
    ['pattern', 'must match pattern "^new$"'] as const,
    ['format', 'must match format "new"'] as const,
    ['oneOf', 'must match exactly one schema in oneOf'] as const,
  ].map(
    ([keyword, message]) =>
      fieldErrors([{ path: '/body/field', message, errorCode: `${keyword}.openapi.validation` }])[0]?.message,
  );
  for (const sentence of sentences) {
    expect(sentence).toMatch(/^field must (?:be|not) /);
    expect(sentence).not.toMatch(/\^|\$|\[|pattern|format|schema/);
  }
});
