// One zod parse that tells everything that is wrong and still hands back what is right, so that a single start shows
// all the faults. Knows no key by name.
import { z } from 'zod';

export type Wrong = {
  readonly path: readonly string[];
  /** The path as people write it: `db.port`. */
  readonly name: string;
  readonly value: unknown;
  readonly message: string;
};

type Tree = { [key: string]: unknown };

/**
 * Parses `input`; where that fails, parses it again without the wrong values, whose defaults then stand in.
 * @throws where a default itself is wrong: a bug.
 */
export function parseAll<Schema extends z.ZodType>(
  schema: Schema,
  input: Tree,
): { values: z.output<Schema>; wrong: Wrong[] } {
  const first = schema.safeParse(input);
  if (first.success) return { values: first.data, wrong: [] };
  const wrong = first.error.issues.map(({ path, message }) => {
    const names = path.map(String);
    return { path: names, name: names.join('.'), value: valueAt(input, names), message };
  });
  const rest = wrong.reduce((tree, { path }) => without(tree, path), input);
  return { values: schema.parse(rest), wrong };
}

/** Whether this is a map with keys, as opposed to a list or a single value. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isTree(value) ? value[name] : undefined), tree);
}

function without(tree: Tree, path: readonly string[]): Tree {
  const [name, ...rest] = path;
  return Object.fromEntries(
    Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
      if (key !== name) return [[key, value]];
      return rest.length > 0 && isTree(value) ? [[key, without(value, rest)]] : [];
    }),
  );
}
