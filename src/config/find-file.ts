// Where the config file is, and its text. The field's names: CONFIG_DIR, CONFIG_NAME (with or without .yaml).
import { resolve } from 'node:path';
import { configKeys } from './keys.ts';
import type { ConfigFault } from './problems.ts';

export type FoundFile =
  | { readonly kind: 'none' }
  | { readonly kind: 'found'; readonly path: string; readonly content: string }
  | { readonly kind: 'fault'; readonly fault: ConfigFault };

const YAML_NAME = /\.ya?ml$/i;

/**
 * Looks for the config file. One that nobody asked for may be missing; one that somebody named may not.
 * @param given the variables that are set.
 * @param readFile the text of a file, undefined where there is none; what it throws becomes a fault.
 */
export function findConfigFile(
  given: Readonly<Record<string, string>>,
  readFile: (path: string) => string | undefined,
  cwd: string,
): FoundFile {
  const dir = given['CONFIG_DIR']?.trim() ?? configKeys.CONFIG_DIR.default;
  const name = given['CONFIG_NAME']?.trim() ?? configKeys.CONFIG_NAME.default;
  const asked = given['CONFIG_NAME'] === undefined ? 'CONFIG_DIR' : 'CONFIG_NAME';
  const names = YAML_NAME.test(name) ? [name] : [`${name}.yaml`, `${name}.yml`, name];
  const paths = names.map((candidate) => resolve(cwd, dir, candidate));
  for (const path of paths) {
    const read = tryRead(path, readFile);
    if ('fault' in read) return { kind: 'fault', fault: { key: asked, ...read.fault } };
    if (read.content !== undefined) return { kind: 'found', path, content: read.content };
  }
  if (given['CONFIG_DIR'] === undefined && given['CONFIG_NAME'] === undefined) return { kind: 'none' };
  const problem = `There is no ${paths.join(', nor ')}.`;
  const remedy = `Put the config file there, name another, or leave CONFIG_DIR and CONFIG_NAME out.`;
  return { kind: 'fault', fault: { key: asked, problem, remedy } };
}

function tryRead(
  path: string,
  readFile: (path: string) => string | undefined,
): { content: string | undefined } | { fault: Omit<ConfigFault, 'key'> } {
  try {
    return { content: readFile(path) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      fault: {
        problem: `${path} cannot be read: ${why}.`,
        remedy: 'Make it a file that the user of this server may read.',
      },
    };
  }
}
