// The folders of installed packages, with those of everything that they depend on: from package-lock.json.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isRecord } from './json.ts';

/**
 * Of the packages of this project whose names start so. Relative to `root`. An optional package that is not installed is left out (those
 * of other platforms are not). Throws if another one is not installed.
 */
export async function packagesOf(root: string, starts: readonly string[]): Promise<readonly string[]> {
  const lock: unknown = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const packages = recordIn(lock, 'packages');
  const found = new Set<string>();
  const visit = (name: string, from: string, isOptional: boolean): void => {
    const folder = folderOf(name, from, packages);
    if (folder === undefined || found.has(folder)) return;
    if (!existsSync(join(root, folder))) {
      if (isOptional) return;
      throw new Error(`The package ${name} is not installed in ${folder}: run \`npm ci --include=dev\`.`);
    }
    found.add(folder);
    for (const needed of Object.keys(recordIn(packages[folder], 'dependencies')))
      visit(needed, folder, false);
    for (const needed of Object.keys(recordIn(packages[folder], 'optionalDependencies')))
      visit(needed, folder, true);
  };
  const own = ['dependencies', 'devDependencies'].flatMap((kind) =>
    Object.keys(recordIn(packages[''], kind)),
  );
  for (const name of own) if (starts.some((start) => name.startsWith(start))) visit(name, '', false);
  return [...found];
}

/** As Node finds it: in the folder of the package that needs it, or in one above. */
function folderOf(
  name: string,
  from: string,
  packages: Readonly<Record<string, unknown>>,
): string | undefined {
  for (let folder = from; ; folder = posix.dirname(folder)) {
    const tried = posix.join(folder, 'node_modules', name);
    if (tried in packages) return tried;
    if (folder === '' || folder === '.') return undefined;
  }
}

function recordIn(value: unknown, key: string): Readonly<Record<string, unknown>> {
  const inner = isRecord(value) ? value[key] : undefined;
  return isRecord(inner) ? inner : {};
}
