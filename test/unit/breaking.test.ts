import { describe, expect, test } from 'vitest';
import { breakingChanges, releaseFaults } from '../../codegen/breaking.ts';
import { CURRENT_CONTRACT, readContract } from '../../codegen/documents.ts';
import type { JsonObject } from '../../codegen/json.ts';
import { at, breaks, contract, OPERATION, type Change } from '../support/small-contract.ts';

const responseContent = (operation: JsonObject): JsonObject => at(operation, 'responses', '200', 'content');

describe('an operation', () => {
  test('an operation that stays as it is breaks nothing', () => {
    expect(breaks(() => undefined)).toEqual([]);
  });

  test.each<[string, string, Change]>([
    [
      'is removed',
      `${OPERATION}: was removed`,
      (_, document) => delete at(document, 'paths', '/things/{id}')['post'],
    ],
    [
      'moves to another path',
      `${OPERATION}: was removed`,
      (operation, document) => (document['paths'] = { '/objects/{id}': { post: operation } }),
    ],
    [
      'answers another method',
      `${OPERATION}: was removed`,
      (operation, document) => (document['paths'] = { '/things/{id}': { put: operation } }),
    ],
    [
      'is renamed',
      `${OPERATION}: operationId was changeThing, is alterThing`,
      (operation) => (operation['operationId'] = 'alterThing'),
    ],
    [
      'refuses unknown query parameters',
      `${OPERATION}: unknown query parameters are refused now`,
      (operation) => delete operation['x-allow-unknown-query-parameters'],
    ],
    [
      'takes smaller bodies',
      `${OPERATION}: the body limit is 999 bytes now (was 1000)`,
      (operation) => (operation['x-body-limit-bytes'] = 999),
    ],
  ])('an operation that %s breaks', (_what, sentence, change) => {
    expect(breaks(change)).toEqual([sentence]);
  });

  test.each<[string, Change]>([
    ['takes larger bodies', (operation) => (operation['x-body-limit-bytes'] = 2000)],
    ['is described in other words', (operation) => (operation['description'] = 'Changes a thing.')],
    ['gets a neighbour', (operation, document) => (at(document, 'paths')['/things'] = { get: operation })],
    [
      'answers a second method',
      (operation, document) => (at(document, 'paths', '/things/{id}')['put'] = operation),
    ],
  ])('an operation that %s breaks nothing', (_what, change) => {
    expect(breaks(change)).toEqual([]);
  });
});

describe('a parameter', () => {
  test.each<[string, string, Change]>([
    [
      'is removed',
      'query parameter limit was removed',
      (operation) => (at(operation, 'parameters')['length'] = 1),
    ],
    [
      'moves to another place',
      'query parameter limit was removed',
      (operation) => (at(operation, 'parameters', 1)['in'] = 'header'),
    ],
    [
      'is required now',
      'query parameter limit is required now',
      (operation) => (at(operation, 'parameters', 1)['required'] = true),
    ],
    [
      'is new and required',
      'query parameter sort is new and required',
      (operation) =>
        (at(operation, 'parameters')[2] = { name: 'sort', in: 'query', required: true, schema: {} }),
    ],
    [
      'is new and required for the whole path',
      'header parameter x is new and required',
      (_, document) =>
        (at(document, 'paths', '/things/{id}')['parameters'] = [
          { name: 'x', in: 'header', required: true, schema: {} },
        ]),
    ],
    [
      'is written in another style',
      'query parameter limit: explode has changed',
      (operation) => (at(operation, 'parameters', 1)['explode'] = false),
    ],
    [
      'has another default',
      'query parameter limit: the default has changed',
      (operation) => (at(operation, 'parameters', 1, 'schema')['default'] = 6),
    ],
    [
      'is narrowed behind its reference',
      'path parameter id: maxLength is 35 now (was 36)',
      (_, document) => (at(document, 'components', 'schemas', 'Id')['maxLength'] = 35),
    ],
  ])('a parameter that %s breaks', (_what, sentence, change) => {
    expect(breaks(change)).toEqual([`${OPERATION}: ${sentence}`]);
  });

  test.each<[string, Change]>([
    [
      'is new and optional',
      (operation) => (at(operation, 'parameters')[2] = { name: 'sort', in: 'query', schema: {} }),
    ],
    ['may go further', (operation) => (at(operation, 'parameters', 1, 'schema')['maximum'] = 20)],
    [
      'stands at the path',
      (operation, document) => {
        at(document, 'paths', '/things/{id}')['parameters'] = operation['parameters'] ?? [];
        delete operation['parameters'];
      },
    ],
    [
      'is written out where it was a reference',
      (operation) => {
        at(operation, 'parameters', 0)['schema'] = { type: 'string', maxLength: 36 };
      },
    ],
  ])('a parameter that %s breaks nothing', (_what, change) => {
    expect(breaks(change)).toEqual([]);
  });
});

describe('a request body', () => {
  test.each<[string, string, Change]>([
    [
      'is required now',
      'the body is required now',
      (operation) => (at(operation, 'requestBody')['required'] = true),
    ],
    ['is removed', 'the body was removed', (operation) => delete operation['requestBody']],
    [
      'is of another media type',
      'body: application/json was removed',
      (operation) => (at(operation, 'requestBody')['content'] = { 'text/csv': { schema: {} } }),
    ],
  ])('a request body that %s breaks', (_what, sentence, change) => {
    expect(breaks(change)).toEqual([`${OPERATION}: ${sentence}`]);
  });

  test('a request body that is new breaks where it is required, and not where it is optional', () => {
    const without = contract((operation) => delete operation['requestBody']);
    const body = (required: boolean): JsonObject =>
      contract((operation) => (operation['requestBody'] = { required, content: {} }));
    expect(breakingChanges(without, body(true))).toEqual([`${OPERATION}: a body is required now`]);
    expect(breakingChanges(without, body(false))).toEqual([]);
  });

  test('a request body that may be of one more media type breaks nothing', () => {
    expect(
      breaks((operation) => (at(operation, 'requestBody', 'content')['text/csv'] = { schema: {} })),
    ).toEqual([]);
  });
});

describe('a response', () => {
  test.each<[string, string, Change]>([
    ['loses a status', 'status 404 was removed', (operation) => delete at(operation, 'responses')['404']],
    [
      'loses a media type',
      '200: text/html was removed',
      (operation) => delete responseContent(operation)['text/html'],
    ],
    [
      'loses a header',
      '200 header Location was removed',
      (operation) => delete at(operation, 'responses', '200')['headers'],
    ],
    [
      'may leave a header out',
      '200 header Location may be missing now',
      (operation) => (at(operation, 'responses', '200', 'headers', 'Location')['required'] = false),
    ],
  ])('a response that %s breaks', (_what, sentence, change) => {
    expect(breaks(change)).toEqual([`${OPERATION}: ${sentence}`]);
  });

  test.each<[string, Change]>([
    ['gets a status', (operation) => (at(operation, 'responses')['409'] = { content: {} })],
    ['gets a media type', (operation) => (responseContent(operation)['text/csv'] = { schema: {} })],
    ['loses 501, being served at last', (operation) => delete at(operation, 'responses')['501']],
  ])('a response that %s breaks nothing', (_what, change) => {
    expect(breaks(change)).toEqual([]);
  });
});

describe('the version', () => {
  const withVersion = (version: string, change: Change = () => undefined): JsonObject =>
    contract((operation, document) => {
      at(document, 'info')['version'] = version;
      change(operation, document);
    });
  const rename: Change = (operation) => (operation['operationId'] = 'alterThing');

  test.each(['1.2.3', '1.2.4', '1.3.0'])(
    'the version %s does not allow a change that breaks 1.2.3',
    (version) => {
      expect(releaseFaults(contract(), withVersion(version, rename))).toHaveLength(1);
    },
  );

  test('a new major version allows any change', () => {
    expect(releaseFaults(contract(), withVersion('2.0.0', rename))).toEqual([]);
  });

  test.each(['1.2.2', '1.1.9', '0.9.9'])('the version must not go back to %s', (version) => {
    expect(releaseFaults(contract(), withVersion(version))).toEqual([
      `info.version went back from 1.2.3 to ${version}`,
    ]);
  });

  test('the version must have three parts', () => {
    expect(() => releaseFaults(contract(), withVersion('1.2'))).toThrow(/not of the form 1.2.3/);
  });
});

describe('our own contract', () => {
  test('our own contract breaks nothing against itself', async () => {
    const current = await readContract(CURRENT_CONTRACT);
    expect(breakingChanges(current, current)).toEqual([]);
  });

  test('our own contract breaks where a shared schema, reached by references only, is changed', async () => {
    const [released, current] = [await readContract(CURRENT_CONTRACT), await readContract(CURRENT_CONTRACT)];
    at(current, 'components', 'schemas', 'Hostname')['maxLength'] = 252;
    const found = breakingChanges(released, current);
    expect(found).toContain(
      'POST /vm_startup: body (application/json).hostname: maxLength is 252 now (was 253)',
    );
    expect(found).toContain(
      'GET /api/vm-status/{hostname}: path parameter hostname: maxLength is 252 now (was 253)',
    );
    expect(found.join()).not.toMatch(/200 \(/);
  });

  test('our own contract breaks where an alternative behind null, in a list, in a page, is changed', async () => {
    const [released, current] = [await readContract(CURRENT_CONTRACT), await readContract(CURRENT_CONTRACT)];
    delete at(current, 'components', 'schemas', 'Assignment', 'properties')['pin'];
    expect(breakingChanges(released, current)).toContain(
      'GET /api/v1/vms: 200 (application/json).items[].assignment.pin: was removed',
    );
  });
});
