// Compares two schemas. A request schema breaks clients if it no longer accepts a value; a response schema, if it allows a
// value that was never returned before. A comparison that cannot be decided counts as a breaking change. Pure.
import { isDeepStrictEqual } from 'node:util';
import { isRecord, textOf, type Json, type JsonObject } from './json.ts';
import { branchesOf, type Side } from './schema-branches.ts';

export type Direction = 'request' | 'response';

/** Keywords that have no influence on what is valid. */
const ANNOTATIONS = new Set([
  'title',
  'description',
  'example',
  'examples',
  'deprecated',
  'externalDocs',
  'readOnly',
  'writeOnly',
  '$comment',
]);
const LOWER_BOUNDS = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const UPPER_BOUNDS = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
const REQUEST_ONLY = [...LOWER_BOUNDS, ...UPPER_BOUNDS, 'pattern', 'multipleOf', 'uniqueItems', 'default'];
const COMPARED = new Set([
  ...REQUEST_ONLY,
  'type',
  'enum',
  'const',
  'format',
  'properties',
  'required',
  'items',
  'additionalProperties',
]);

/** The state of a comparison: its place in the contract, and the references that it has followed. */
type Comparison = {
  /** The schema that must accept everything that the other one accepts, or else the change is breaking. */
  readonly to: Side;
  readonly from: Side;
  readonly direction: Direction;
  readonly at: string;
  /** Pairs of references that are already being compared, because schemas can be recursive. */
  readonly within: readonly string[];
};
type Rule = (from: JsonObject, to: JsonObject, comparison: Comparison) => string[];

/** The breaking changes from the released to the current schema, as sentences that start with their place. */
export function schemaBreaks(released: Side, current: Side, direction: Direction, at: string): string[] {
  const [from, to] = direction === 'request' ? [released, current] : [current, released];
  return compare({ from, to, direction, at, within: [] });
}

function compare(comparison: Comparison): string[] {
  const { from, to, direction, at } = comparison;
  const pair = JSON.stringify([refOf(from), refOf(to)]);
  if (refOf(from) !== null && comparison.within.includes(pair)) return [];
  const inner = { ...comparison, within: [...comparison.within, pair] };
  const wanted = branchesOf(to);
  return branchesOf(from).flatMap((branch) => {
    const fitting = wanted.filter((other) => typeFits(branch['type'], other['type']));
    if (fitting.length === 0) {
      const name = typeof branch['type'] === 'string' ? branch['type'] : 'any type';
      return [
        direction === 'request' ? `${at}: ${name} is not accepted any more` : `${at}: may be ${name} now`,
      ];
    }
    return fewest(fitting.map((other) => rules.flatMap((rule) => rule(branch, other, inner))));
  });
}

function typeFits(from: Json | undefined, to: Json | undefined): boolean {
  return to === undefined || from === to || (from === 'integer' && to === 'number');
}

function fewest(lists: readonly string[][]): string[] {
  return lists.reduce((best, list) => (list.length < best.length ? list : best), lists[0] ?? []);
}

const values: Rule = (from, to, { direction, at }) => {
  const known = valuesOf(to);
  if (known === null) return [];
  const possible = valuesOf(from);
  // The contract says of this enum that more values may follow.
  if (direction === 'response' && from['x-open-enum'] === true && possible !== null) return [];
  if (possible === null) {
    return [
      direction === 'request' ? `${at}: only some values are accepted now` : `${at}: may be any value now`,
    ];
  }
  return possible
    .filter((value) => !known.some((other) => isDeepStrictEqual(value, other)))
    .map((value) => JSON.stringify(value))
    .map((value) =>
      direction === 'request' ? `${at}: ${value} is not accepted any more` : `${at}: may be ${value} now`,
    );
};

function valuesOf(schema: JsonObject): Json[] | null {
  if (schema['const'] !== undefined) return [schema['const']];
  return Array.isArray(schema['enum']) ? schema['enum'] : null;
}

const bounds: Rule = (from, to, { direction, at }) => {
  if (direction === 'response') return [];
  const tighter = (keyword: string, isTighter: (now: number, before: number) => boolean): string[] => {
    const [before, now] = [from[keyword], to[keyword]];
    if (typeof now !== 'number' || (typeof before === 'number' && !isTighter(now, before))) return [];
    return [`${at}: ${keyword} is ${now} now (${typeof before === 'number' ? `was ${before}` : 'had none'})`];
  };
  return [
    ...LOWER_BOUNDS.flatMap((keyword) => tighter(keyword, (now, before) => now > before)),
    ...UPPER_BOUNDS.flatMap((keyword) => tighter(keyword, (now, before) => now < before)),
  ];
};

/** Patterns cannot be compared, so a different pattern counts as narrower. Responses may widen within their type. */
const exact: Rule = (from, to, { direction, at }) =>
  [...(direction === 'request' ? ['pattern', 'multipleOf', 'uniqueItems'] : []), 'format']
    .filter((keyword) => to[keyword] !== undefined && to[keyword] !== false && to[keyword] !== from[keyword])
    .map((keyword) => `${at}: ${keyword} has changed`);

const defaults: Rule = (from, to, { direction, at }) =>
  direction === 'request' &&
  from['default'] !== undefined &&
  !isDeepStrictEqual(from['default'], to['default'])
    ? [`${at}: the default has changed`]
    : [];

const required: Rule = (from, to, { direction, at }) => {
  const always = Array.isArray(from['required']) ? from['required'] : [];
  const wanted = Array.isArray(to['required']) ? to['required'] : [];
  // A missing property is reported as removed.
  const isGone = (name: string): boolean => name in propertiesOf(to) && !(name in propertiesOf(from));
  return wanted
    .filter((name) => !always.includes(name) && !(direction === 'response' && isGone(textOf(name))))
    .map(
      (name) =>
        `${at}.${textOf(name)}: ${direction === 'request' ? 'is required now' : 'may be missing now'}`,
    );
};

const properties: Rule = (from, to, comparison) => {
  const [ours, theirs] = [propertiesOf(from), propertiesOf(to)];
  const [released, current] = comparison.direction === 'request' ? [ours, theirs] : [theirs, ours];
  return Object.keys(released).flatMap((name) => {
    const at = `${comparison.at}.${name}`;
    if (current[name] === undefined) return [`${at}: was removed`];
    return compare(inside(comparison, at, ours[name], theirs[name]));
  });
};

function propertiesOf(schema: JsonObject): JsonObject {
  return isRecord(schema['properties']) ? schema['properties'] : {};
}

const items: Rule = (from, to, comparison) =>
  to['items'] === undefined
    ? []
    : compare(inside(comparison, `${comparison.at}[]`, from['items'], to['items']));

const otherProperties: Rule = (from, to, comparison) => {
  const [ours = true, theirs = true] = [from['additionalProperties'], to['additionalProperties']];
  if (theirs === true || ours === false) return [];
  // Clients ignore unknown properties of a response.
  if (theirs === false) {
    return comparison.direction === 'request' ? [`${comparison.at}: unknown fields are refused now`] : [];
  }
  return compare(inside(comparison, `${comparison.at}.*`, ours, theirs));
};

/** Keywords without a rule must stay unchanged. */
const unknown: Rule = (from, to, { at }) =>
  [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .filter((keyword) => !COMPARED.has(keyword) && !ANNOTATIONS.has(keyword) && !keyword.startsWith('x-'))
    .filter((keyword) => !isDeepStrictEqual(from[keyword], to[keyword]))
    .map((keyword) => `${at}: ${keyword} has changed`);

const rules: readonly Rule[] = [
  values,
  bounds,
  exact,
  defaults,
  required,
  properties,
  items,
  otherProperties,
  unknown,
];

function inside(
  comparison: Comparison,
  at: string,
  from: Json | undefined,
  to: Json | undefined,
): Comparison {
  return {
    ...comparison,
    at,
    from: { document: comparison.from.document, schema: from },
    to: { document: comparison.to.document, schema: to },
  };
}

function refOf({ schema }: Side): string | null {
  return isRecord(schema) && typeof schema['$ref'] === 'string' ? schema['$ref'] : null;
}
