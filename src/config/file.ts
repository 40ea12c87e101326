// The LabLink config file (YAML, written for Hydra): finds it, reads it as a tree, and warns of keys that are unknown.
import { resolve } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { parseDocument } from 'yaml';
import { fail, succeed, type Result } from '../result.ts';
import { shown, type ConfigFailure } from './failure.ts';
import { configSchema } from './schema.ts';
import { listSettings } from './setting.ts';

export type Texts = Readonly<Record<string, string | undefined>>;
type Tree = Readonly<Record<string, unknown>>;

export type ConfigFile = {
  /** Undefined where there is no file. */
  readonly path?: string;
  /** Its sections; those that could not be read are left out. */
  readonly tree: Tree;
  readonly failures: readonly ConfigFailure[];
  readonly warnings: readonly string[];
};

/** The text of a file, undefined where there is none; throws where it cannot be read. */
export type ReadFile = (path: string) => string | undefined;

/** A config file is a page or two; more is the wrong file. */
const LIMIT_CHARACTERS = 1_000_000;
const YAML_NAME = /\.ya?ml$/i;
/** Hydra's own keys: how it composes files. They set nothing. */
const HYDRA_KEYS: readonly string[] = ['defaults', 'hydra'];
/** A typing error, not another word: two edits, and at most 40 % of the name. */
const NEAR_EDITS = 2;
const NEAR_SHARE = 0.4;

const KEYS = listSettings(configSchema).flatMap(({ setting }) => setting.file ?? []);
const SECTIONS = [...new Set(KEYS.flatMap((key) => (key.includes('.') ? key.replace(/\..*/, '') : [])))];

/**
 * Reads the config file. The default one may be missing; one that a variable names may not.
 * @param given the variables that are set.
 * @param usesDatabase whether the `db` section is used; otherwise it may hold anything.
 */
export function readConfigFile(
  given: Texts,
  readFile: ReadFile,
  cwd: string,
  usesDatabase: boolean,
): ConfigFile {
  const found = findFile(given, readFile, cwd);
  if (!found.ok) return { tree: {}, failures: [found.failure], warnings: [] };
  if (found.value === null) return { tree: {}, failures: [], warnings: [] };
  const { path, content } = found.value;
  const parsed = parseYaml(content, path);
  if (!parsed.ok) return { path, tree: {}, failures: [parsed.failure], warnings: [] };
  const named = Object.entries(parsed.value).filter(([, value]) => value !== null);
  const isWrong = ([name, value]: [string, unknown]): boolean =>
    SECTIONS.includes(name) && !isTree(value) && (name !== 'db' || usesDatabase);
  return {
    path,
    tree: Object.fromEntries(named.filter((entry) => !isWrong(entry))),
    failures: named.filter(isWrong).map(([key, value]) => ({
      code: 'invalid',
      key,
      message: `${shown(value)} is not a section (in ${path}).`,
      remedy: 'Write the name of the section, a colon, and indented keys below it, or remove the line.',
    })),
    warnings: unknownKeys(parsed.value).map((warning) => `${path}: ${warning}`),
  };
}

/** The value of a key such as `db.port` or `bucket_name`. */
export function valueIn(tree: Tree, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => (isTree(value) ? value[name] : undefined), tree);
}

/** Whether this is a map with keys, as opposed to a list or a single value. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Found = { readonly path: string; readonly content: string } | null;

function findFile(given: Texts, readFile: ReadFile, cwd: string): Result<Found, ConfigFailure> {
  const { configFile } = configSchema.shape;
  const asked = configFile.safeParse({ dir: given['CONFIG_DIR'], name: given['CONFIG_NAME'] });
  const { dir, name } = asked.data ?? configFile.parse({});
  const key = given['CONFIG_NAME'] === undefined ? 'CONFIG_DIR' : 'CONFIG_NAME';
  const names = YAML_NAME.test(name) ? [name] : [`${name}.yaml`, `${name}.yml`, name];
  const paths = names.map((candidate) => resolve(cwd, dir, candidate));
  for (const path of paths) {
    try {
      const content = readFile(path);
      if (content !== undefined) return succeed({ path, content });
    } catch (error) {
      const message = `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`;
      const remedy = 'Put a file there that the user of this server can read.';
      return fail({ code: 'unreadable', key, message, remedy });
    }
  }
  if (given['CONFIG_DIR'] === undefined && given['CONFIG_NAME'] === undefined) return succeed(null);
  return fail({
    code: 'missing',
    key,
    message: `There is no ${paths.join(', nor ')}.`,
    remedy: 'Put the config file there, name another, or leave CONFIG_DIR and CONFIG_NAME out.',
  });
}

/** An empty text is an empty tree. Merge keys (`<<`) are followed, as Hydra does. */
function parseYaml(content: string, key: string): Result<Tree, ConfigFailure> {
  const unreadable = (message: string, remedy: string) =>
    fail({ code: 'unreadable' as const, key, message, remedy });
  if (content.length > LIMIT_CHARACTERS)
    return unreadable(
      `The file is longer than ${LIMIT_CHARACTERS} characters.`,
      'Name the config file in CONFIG_DIR and CONFIG_NAME.',
    );
  const document = parseDocument(content, { merge: true });
  const [error] = document.errors;
  if (error) {
    const place = error.linePos ? ` at line ${error.linePos[0].line}, column ${error.linePos[0].col}` : '';
    return unreadable(
      `The file is not valid YAML${place} (${error.code}).`,
      'Correct that place: indents, colons, quotes.',
    );
  }
  try {
    const tree: unknown = document.toJS() ?? {};
    if (isTree(tree)) return succeed(tree);
  } catch {
    return unreadable('The aliases (*name) in the file cannot be resolved.', 'Write the values out.');
  }
  return unreadable('The file has no sections.', 'Write sections such as `machine:` with indented keys.');
}

function unknownKeys(tree: Tree): string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    if (HYDRA_KEYS.includes(name) || KEYS.includes(name)) return [];
    if (!SECTIONS.includes(name)) return [unknownKey(name)];
    const keys = isTree(value) ? Object.keys(value).map((key) => `${name}.${key}`) : [];
    return keys.filter((key) => !KEYS.includes(key)).map(unknownKey);
  });
}

function unknownKey(key: string): string {
  const [, section = '', name = ''] = /^(.*\.)?([^.]*)$/.exec(key) ?? [];
  const neighbours = section === '' ? [...SECTIONS, ...KEYS.filter((known) => !known.includes('.'))] : KEYS;
  const near = nearest(
    key,
    neighbours.filter((known) => known.startsWith(section)),
  );
  const meant = near ?? KEYS.find((known) => known.endsWith(`.${name}`));
  return `unknown key ${key}. ${meant === undefined ? 'It has no effect.' : `Did you mean ${meant}?`}`;
}

/** Upper and lower case, dashes and underscores are the same. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string =>
    text
      .replace(/^.*\./, '')
      .toLowerCase()
      .replace(/[-_\s]/g, '');
  const best = closest(plain(key), known.map(plain));
  const limit = Math.min(NEAR_EDITS, Math.floor(plain(key).length * NEAR_SHARE));
  return distance(plain(key), best) <= limit
    ? known.find((candidate) => plain(candidate) === best)
    : undefined;
}
