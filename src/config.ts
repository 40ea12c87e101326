// Environment over file over defaults, to one frozen Config or to all the faults at once.
// The only reader of process.env; opens nothing but the config file.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { assembleConfig } from './config/assemble.ts';
import { chooseDatabase, fileNamesDatabase } from './config/database.ts';
import { givenTexts, readEnvironment, type Texts } from './config/environment.ts';
import { emptyFieldFile, readFieldFile, type FieldFile, type FieldFileRead } from './config/field-file.ts';
import { findConfigFile, type FoundFile } from './config/find-file.ts';
import type { ConfigFault } from './config/problems.ts';
import { derivePublicUrl } from './config/public-url.ts';
import type { Config } from './config/schema.ts';

export type ConfigSources = {
  readonly env: Texts;
  /** The text of a file, undefined where there is none; throws where it cannot be read. */
  readonly readFile: (path: string) => string | undefined;
  /** Absolute; relative paths start here. */
  readonly cwd: string;
};

export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] };

/** Pure but for `readFile`. A blank variable counts as unset, also ADMIN_PASSWORD: then one is made, never an empty one. */
export function loadConfig({ env, readFile, cwd }: ConfigSources): ConfigResult {
  const given = givenTexts(env);
  const found = findConfigFile(given, readFile, cwd);
  const filePath = found.kind === 'found' ? found.path : undefined;
  const read = readFound(found, fileNamesDatabase(given));
  const { values, faults } = readEnvironment(
    given,
    filePath === undefined ? undefined : { path: filePath, texts: fileTexts(read.file) },
  );
  const choice = chooseDatabase(values, read.file.db, read.namesDatabase);
  const url = derivePublicUrl(values, read.file);
  const all = withoutConsequences([...faults, ...read.faults], read.complete, choice.faults, url.faults);
  if (all.length > 0) return { ok: false, faults: all };
  const dataDir = resolve(cwd, values.DATA_DIR);
  const config = assembleConfig({ values, file: read.file, filePath, dataDir, choice, publicUrl: url.url });
  return { ok: true, config, warnings: [...read.warnings, ...choice.warnings, ...warningsOf(config)] };
}

/** The same, from this process' environment, working directory and file system. */
export function loadConfigFromProcess(): ConfigResult {
  return loadConfig({ env: process.env, readFile: readIfThere, cwd: process.cwd() });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function readFound(found: FoundFile, databaseCounts: boolean): FieldFileRead {
  if (found.kind === 'found') return readFieldFile(found.content, found.path, databaseCounts);
  const faults = found.kind === 'fault' ? [found.fault] : [];
  return {
    file: emptyFieldFile(),
    faults,
    warnings: [],
    complete: faults.length === 0,
    namesDatabase: false,
  };
}

/** What the file says that a variable can say too, under the variable's name. */
function fileTexts({ app, machine }: FieldFile): Texts {
  return {
    ...(machine.extension === undefined ? {} : { DOWNLOAD_EXTENSIONS: machine.extension }),
    ...(app.admin_user === undefined ? {} : { ADMIN_USER: app.admin_user }),
    ...(app.admin_password === undefined ? {} : { ADMIN_PASSWORD: app.admin_password }),
  };
}

/** What is missing only because something else could not be read is no fault of its own. */
function withoutConsequences(
  first: readonly ConfigFault[],
  complete: boolean,
  ofDatabase: readonly ConfigFault[],
  ofUrl: readonly ConfigFault[],
): ConfigFault[] {
  const told = new Set(first.map(({ key }) => key));
  const second = complete ? [...ofDatabase, ...(told.has('PUBLIC_URL') ? [] : ofUrl)] : [];
  return [...first, ...second.filter(({ key }) => !told.has(key))];
}

function warningsOf({ provider, vmAuth }: Config): string[] {
  if (provider !== 'aws' || vmAuth === 'required') return [];
  return [
    'VM_AUTH=open with PROVIDER=aws: whoever knows or invents a hostname can be handed a code and a PIN.',
  ];
}
