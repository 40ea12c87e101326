import { describe, expect, test } from 'vitest';
import { breakingChanges } from '../../codegen/breaking.ts';
import type { Json, JsonObject } from '../../codegen/json.ts';
import { at, breaks, contract, OPERATION, type Change } from '../support/small-contract.ts';

describe('security', () => {
  test.each<[string, string, Change]>([
    [
      'loses an alternative',
      'token is not enough any more',
      (operation) => (operation['security'] = [{ basic: [] }]),
    ],
    [
      'asks for two at once',
      'token is not enough any more',
      (operation) => (operation['security'] = [{ basic: [] }, { token: [], basic: [] }]),
    ],
    [
      'asks for a scope',
      'token is not enough any more',
      (operation) => (operation['security'] = [{ basic: [] }, { token: ['write'] }]),
    ],
    [
      'has a scheme that works otherwise',
      'the security scheme token has changed',
      (_, document) =>
        (at(document, 'components', 'securitySchemes')['token'] = {
          type: 'apiKey',
          in: 'header',
          name: 'X-Token',
        }),
    ],
  ])('security that %s breaks', (_what, sentence, change) => {
    expect(breaks(change)).toEqual([`${OPERATION}: ${sentence}`]);
  });

  test.each<[string, Json | null]>([
    ['an empty list', []],
    ['an empty alternative', [{ token: [] }, {}]],
    ['nothing at all', null],
  ])('security that was open, told by %s, breaks when it closes', (_what, security) => {
    const open = contract((operation) => {
      if (security === null) delete operation['security'];
      else operation['security'] = security;
    });
    expect(breakingChanges(open, contract())).toEqual([
      `${OPERATION}: no credentials is not enough any more`,
    ]);
  });

  test('security that the document requires breaks the operations that declare none themselves', () => {
    const silent = (security: Json): JsonObject =>
      contract((operation, document) => {
        delete operation['security'];
        document['security'] = security;
      });
    expect(breakingChanges(silent([]), silent([{ basic: [] }]))).toHaveLength(1);
    expect(breakingChanges(silent([{ basic: [] }]), silent([]))).toEqual([]);
  });

  test.each<[string, JsonObject[]]>([
    ['one more alternative', [{ basic: [] }, { token: [] }, { cookie: [] }]],
    ['no credentials as well', [{ basic: [] }, { token: [] }, {}]],
    ['none at all', []],
  ])('security that accepts %s breaks nothing', (_what, security) => {
    expect(breaks((operation) => (operation['security'] = security))).toEqual([]);
  });

  test('security whose scheme is described in other words breaks nothing', () => {
    const change: Change = (_, document) =>
      (at(document, 'components', 'securitySchemes', 'token')['description'] = 'Of one machine.');
    expect(breaks(change)).toEqual([]);
  });
});
