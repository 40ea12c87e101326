import { describe, expect, test } from 'vitest';
import { schemaBreaks } from '../../codegen/breaking-schema.ts';
import type { Json, JsonObject } from '../../codegen/json.ts';

const components = (schemas: JsonObject): JsonObject => ({ components: { schemas } });

const inRequest = (released: Json, current: Json): string[] =>
  schemaBreaks({ document: {}, schema: released }, { document: {}, schema: current }, 'request', 'it');
const inResponse = (released: Json, current: Json): string[] =>
  schemaBreaks({ document: {}, schema: released }, { document: {}, schema: current }, 'response', 'it');

const object = (properties: JsonObject, required: string[] = [], more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  required,
  ...more,
});
const text = { type: 'string' };

describe('a change of what is accepted', () => {
  test.each<[string, Json, Json, string]>([
    ['another type', text, { type: 'integer' }, 'it: string is not accepted any more'],
    ['fewer types', { type: ['string', 'null'] }, text, 'it: null is not accepted any more'],
    ['a type where anything was accepted', {}, text, 'it: any type is not accepted any more'],
    ['integers only', { type: 'number' }, { type: 'integer' }, 'it: number is not accepted any more'],
    ['fewer alternatives', { oneOf: [text, { type: 'null' }] }, text, 'it: null is not accepted any more'],
    ['a value less', { enum: ['a', 'b'] }, { enum: ['a'] }, 'it: "b" is not accepted any more'],
    ['one value of several', { enum: ['a', 'b'] }, { const: 'a' }, 'it: "b" is not accepted any more'],
    [
      'values where any was accepted',
      text,
      { ...text, enum: ['a'] },
      'it: only some values are accepted now',
    ],
    ['a higher minimum', { minimum: 1 }, { minimum: 2 }, 'it: minimum is 2 now (was 1)'],
    ['a lower maximum', { maximum: 5 }, { maximum: 4 }, 'it: maximum is 4 now (was 5)'],
    ['a new minimum', {}, { exclusiveMinimum: 0 }, 'it: exclusiveMinimum is 0 now (had none)'],
    ['a longer shortest text', { minLength: 1 }, { minLength: 2 }, 'it: minLength is 2 now (was 1)'],
    ['a shorter longest text', { maxLength: 9 }, { maxLength: 8 }, 'it: maxLength is 8 now (was 9)'],
    ['fewer items', { maxItems: 9 }, { maxItems: 8 }, 'it: maxItems is 8 now (was 9)'],
    ['another pattern', { pattern: '^a' }, { pattern: '^b' }, 'it: pattern has changed'],
    ['a new pattern', text, { ...text, pattern: '^a' }, 'it: pattern has changed'],
    ['a new format', text, { ...text, format: 'uuid' }, 'it: format has changed'],
    ['coarser steps', {}, { multipleOf: 10 }, 'it: multipleOf has changed'],
    ['distinct items only', {}, { uniqueItems: true }, 'it: uniqueItems has changed'],
    ['another default', { default: 1 }, { default: 2 }, 'it: the default has changed'],
    [
      'a field that is required now',
      object({ a: text }),
      object({ a: text }, ['a']),
      'it.a: is required now',
    ],
    ['a new required field', object({}), object({ a: text }, ['a']), 'it.a: is required now'],
    ['a removed field', object({ a: text }), object({}), 'it.a: was removed'],
    ['a narrowed field', object({ a: {} }), object({ a: text }), 'it.a: any type is not accepted any more'],
    [
      'unknown fields',
      object({}),
      object({}, [], { additionalProperties: false }),
      'it: unknown fields are refused now',
    ],
    [
      'values of a map',
      { additionalProperties: {} },
      { additionalProperties: text },
      'it.*: any type is not accepted any more',
    ],
    ['items', { items: text }, { items: { type: 'integer' } }, 'it[]: string is not accepted any more'],
    ['a keyword that no rule knows', {}, { contains: text }, 'it: contains has changed'],
  ])('a change of accepted input breaks: %s', (_what, released, current, sentence) => {
    expect(inRequest(released, current)).toEqual([sentence]);
  });

  test.each<[string, Json, Json]>([
    ['one more type', text, { type: ['string', 'null'] }],
    ['one more alternative', text, { oneOf: [text, { type: 'integer' }] }],
    ['numbers where integers were accepted', { type: 'integer' }, { type: 'number' }],
    ['anything', text, {}],
    ['one more value', { enum: ['a'] }, { enum: ['a', 'b'] }],
    ['several values where one was accepted', { const: 'a' }, { enum: ['a', 'b'] }],
    ['any value', { ...text, enum: ['a'] }, text],
    ['wider bounds', { minimum: 1, maxLength: 5 }, { minimum: 0, maxLength: 6 }],
    ['no bounds', { minimum: 1, maximum: 2, pattern: '^a', format: 'uuid' }, {}],
    ['a new optional field', object({}), object({ a: text })],
    ['a field that is optional now', object({ a: text }, ['a']), object({ a: text })],
    ['unknown fields', object({}, [], { additionalProperties: false }), object({})],
    ['other words', { ...text, description: 'a' }, { ...text, description: 'b', examples: ['x'], 'x-y': 1 }],
  ])('a change of accepted input breaks nothing: %s', (_what, released, current) => {
    expect(inRequest(released, current)).toEqual([]);
  });
});

describe('a change of what is answered', () => {
  test.each<[string, Json, Json, string]>([
    ['another type', text, { type: 'integer' }, 'it: may be integer now'],
    ['null as well', text, { type: ['string', 'null'] }, 'it: may be null now'],
    ['one more alternative', text, { oneOf: [text, { type: 'null' }] }, 'it: may be null now'],
    ['anything', text, {}, 'it: may be any type now'],
    ['numbers where integers came', { type: 'integer' }, { type: 'number' }, 'it: may be number now'],
    ['one more value', { enum: ['a'] }, { enum: ['a', 'b'] }, 'it: may be "b" now'],
    ['any value', { ...text, enum: ['a'] }, text, 'it: may be any value now'],
    [
      'any value of an open enum',
      { enum: ['a'] },
      { ...text, 'x-open-enum': true },
      'it: may be any value now',
    ],
    ['another format', { ...text, format: 'date-time' }, text, 'it: format has changed'],
    ['a removed field', object({ a: text }, ['a']), object({}), 'it.a: was removed'],
    ['a removed optional field', object({ a: text }), object({}), 'it.a: was removed'],
    [
      'a field that may be missing',
      object({ a: text }, ['a']),
      object({ a: text }),
      'it.a: may be missing now',
    ],
    ['a widened field', object({ a: text }), object({ a: {} }), 'it.a: may be any type now'],
    ['items', { items: text }, { items: {} }, 'it[]: may be any type now'],
    [
      'values of a map',
      { additionalProperties: { enum: ['a'] } },
      { additionalProperties: { enum: ['a', 'b'] } },
      'it.*: may be "b" now',
    ],
  ])('a change of an answer breaks: %s', (_what, released, current, sentence) => {
    expect(inResponse(released, current)).toEqual([sentence]);
  });

  test.each<[string, Json, Json]>([
    ['a new field', object({}), object({ a: text }, ['a'])],
    ['one more value of an open enum', { enum: ['a'] }, { enum: ['a', 'b'], 'x-open-enum': true }],
    [
      'a new field where the list of fields was closed',
      object({}, [], { additionalProperties: false }),
      object({ a: text }),
    ],
    ['a field that always comes', object({ a: text }), object({ a: text }, ['a'])],
    ['fewer types', { type: ['string', 'null'] }, text],
    ['fewer values', { enum: ['a', 'b'] }, { enum: ['a'] }],
    ['wider bounds within the type', { ...text, maxLength: 5, pattern: '^a' }, { ...text, maxLength: 9 }],
  ])('a change of an answer breaks nothing: %s', (_what, released, current) => {
    expect(inResponse(released, current)).toEqual([]);
  });
});

describe('schemas that are put together', () => {
  test('references are followed, each in its own document', () => {
    const schema = { $ref: '#/components/schemas/A' };
    const released = { document: components({ A: { $ref: '#/components/schemas/B' }, B: text }), schema };
    const current = { document: components({ A: { type: 'integer' } }), schema };
    expect(schemaBreaks(released, current, 'request', 'it')).toEqual(['it: string is not accepted any more']);
  });

  test('keywords beside a reference count', () => {
    const document = components({ A: { ...text, maxLength: 9 } });
    const schema = { $ref: '#/components/schemas/A' };
    const narrowed = { ...schema, maxLength: 5 };
    expect(schemaBreaks({ document, schema }, { document, schema: narrowed }, 'request', 'it')).toEqual([
      'it: maxLength is 5 now (was 9)',
    ]);
    expect(schemaBreaks({ document, schema: narrowed }, { document, schema }, 'request', 'it')).toEqual([]);
  });

  test('schemas may refer to themselves', () => {
    const schema = { $ref: '#/components/schemas/Tree' };
    const tree = (name: JsonObject): JsonObject =>
      components({ Tree: object({ name, children: { type: 'array', items: schema } }) });
    const compare = (current: JsonObject): string[] =>
      schemaBreaks({ document: tree(text), schema }, { document: tree(current), schema }, 'request', 'it');
    expect(compare(text)).toEqual([]);
    expect(compare({ type: 'integer' })).toEqual(['it.name: string is not accepted any more']);
  });

  test('the parts of allOf are compared as one schema', () => {
    const released = { allOf: [object({ a: text }, ['a']), object({ b: text }, ['b'])] };
    expect(inRequest(released, object({ a: text, b: text }, ['a', 'b']))).toEqual([]);
    expect(inResponse(released, object({ a: text, b: text }, ['a']))).toEqual(['it.b: may be missing now']);
  });

  test('an alternative is compared with the nearest one', () => {
    const cat = object({ kind: { const: 'cat' }, lives: { type: 'integer' } });
    const dog = object({ kind: { const: 'dog' } });
    expect(inRequest({ oneOf: [cat, dog] }, { oneOf: [dog, cat] })).toEqual([]);
    const mute = object({ kind: { const: 'cat' }, lives: text });
    expect(inRequest({ oneOf: [cat, dog] }, { oneOf: [mute, dog] })).toEqual([
      'it.lives: integer is not accepted any more',
    ]);
  });
});
