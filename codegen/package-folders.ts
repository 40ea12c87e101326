// The folders of installed packages, with those of everything that they depend on: from package-lock.json.
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { isRecord } from './json.ts';

/** Of the packages of this project whose names start so. Relative to `root`. */
export async function packagesOf(root: string, starts: readonly string[]): Promise<readonly string[]> {
  const lock: unknown = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  const packages = recordIn(lock, 'packages');
  const found = new Set<string>();
  const visit = (name: string, from: string): void => {
    const folder = folderOf(name, from, packages);
    if (folder === undefined || found.has(folder)) return;
    found.add(folder);
    for (const kind of ['dependencies', 'optionalDependencies'])
      for (const needed of Object.keys(recordIn(packages[folder], kind))) visit(needed, folder);
  };
  const own = ['dependencies', 'devDependencies'].flatMap((kind) =>
    Object.keys(recordIn(packages[''], kind)),
  );
  for (const name of own) if (starts.some((start) => name.startsWith(start))) visit(name, '');
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
