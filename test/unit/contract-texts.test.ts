// Texts that come from outside and may be stored: the contract itself forbids the NUL that Postgres cannot hold.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { isRecord, type Json, type JsonObject } from '../../codegen/json.ts';
import { METHODS, resolveRef } from '../../codegen/endpoints.ts';

const document = parse(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8')) as JsonObject;

/** Where a NUL is dealt with otherwise. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'postVmLogs messages[]': 'a log line holds whatever a program printed; the handler takes its NULs out',
  'requestVm email': 'a form field: the adapter refuses NUL in all of them, since people get a page',
  'requestVm crd_command': 'a form field',
  'requestVm pin': 'a form field',
  'requestVm code': 'a form field',
  'saveSettings title': 'a form field',
  'saveSettings instructions': 'a form field',
  'saveSettings contact': 'a form field',
  'saveSettings opens_at': 'a form field',
  'saveSettings closes_at': 'a form field',
  'returnToVm email': 'a form field',
  'returnToVm pin': 'a form field',
  'destroyVms confirm': 'a form field',
  'addScheduled time': 'a form field',
  'addScheduled zone': 'a form field',
  'addScheduled num_vms': 'a form field',
  'addScheduled hours': 'a form field',
  'addScheduled download': 'a form field',
  'changeScheduled time': 'a form field',
  'changeScheduled zone': 'a form field',
  'changeScheduled num_vms': 'a form field',
  'changeScheduled hours': 'a form field',
  'changeScheduled download': 'a form field',
};

type Text = { readonly place: string; readonly schema: JsonObject };

function* textsOf(place: string, node: Json | undefined): Generator<Text> {
  const schema = resolveRef(document, node);
  if (schema['type'] === 'string') yield { place, schema };
  if (schema['items'] !== undefined) yield* textsOf(`${place}[]`, schema['items']);
  const { properties, oneOf } = schema;
  if (isRecord(properties))
    for (const [name, property] of Object.entries(properties)) yield* textsOf(`${place} ${name}`, property);
  if (Array.isArray(oneOf)) for (const branch of oneOf) yield* textsOf(place, branch);
}

const nameOf = (node: Json | undefined): string => (typeof node === 'string' ? node : '?');

function* textsIn(operation: JsonObject): Generator<Text> {
  const id = nameOf(operation['operationId']);
  const { parameters, requestBody } = operation;
  for (const parameter of Array.isArray(parameters) ? parameters : []) {
    const { name, in: where, schema } = resolveRef(document, parameter);
    // A header cannot hold a NUL.
    if (where !== 'header') yield* textsOf(`${id} ${nameOf(name)}`, schema);
  }
  if (requestBody === undefined) return;
  const { content } = resolveRef(document, requestBody);
  for (const media of isRecord(content) ? Object.values(content) : [])
    yield* textsOf(id, resolveRef(document, media)['schema']);
}

const operations = Object.values(isRecord(document['paths']) ? document['paths'] : {}).flatMap((item) =>
  METHODS.flatMap((method) => (isRecord(item) && isRecord(item[method]) ? [item[method]] : [])),
);
const texts = operations.flatMap((operation) => [...textsIn(operation)]);

const allowsNul = ({ enum: values, const: value, pattern }: JsonObject): boolean =>
  values === undefined &&
  value === undefined &&
  (typeof pattern !== 'string' || new RegExp(pattern).test('\0'));

test('a text that may be stored cannot hold a NUL, by its pattern or list; the exceptions are known', () => {
  expect(texts.length).toBeGreaterThan(30);
  const open = texts.filter(({ schema }) => allowsNul(schema)).map(({ place }) => place);
  expect([...new Set(open)].toSorted()).toEqual(Object.keys(ELSEWHERE).toSorted());
});
