// Environment over config file over defaults, to one frozen Config or to everything that is wrong at once. Only this file
// and main.ts read process.env (and a program of its own, agent/main.ts).
import { readFileSync } from 'node:fs';
import {
  checkBackups,
  checkMail,
  chooseDatabase,
  composeConfig,
  derivePublicUrl,
  usesDatabaseSection,
  warningsOf,
} from './config/derive.ts';
import type { ConfigFailure } from './config/failure.ts';
import { isTree, readConfigFile, type ReadFile, type Texts } from './config/file.ts';
import { inspectConfig, type Inspected } from './config/inspect.ts';
import { givenVariables, readValues } from './config/read.ts';
import { fail, succeed, type Result } from './result.ts';

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** Everything that can be set, read once at start and frozen. */
export type Config = Frozen<ReturnType<typeof composeConfig>>;

export type LoadedConfig = { readonly config: Config; readonly warnings: readonly string[] };
export type ConfigResult = Result<LoadedConfig, readonly ConfigFailure[]>;

export type ConfigSources = {
  readonly env: Texts;
  readonly readFile: ReadFile;
  /** Absolute; relative paths start here. */
  readonly cwd: string;
};

/** Pure but for `readFile`. A blank variable counts as unset, also ADMIN_PASSWORD: then one is generated. */
export function loadConfig({ env, readFile, cwd }: ConfigSources): ConfigResult {
  const given = givenVariables(env);
  const usesSection = usesDatabaseSection(given);
  const file = readConfigFile(given, readFile, cwd, usesSection);
  const { values, failures } = readValues(given, file, usesSection);
  const database = chooseDatabase(values, isTree(file.tree['db']));
  const url = derivePublicUrl(values);
  const first = [...file.failures, ...failures];
  // Where a part of the file could not be read, what seems to be missing may well be in it.
  const second =
    file.failures.length > 0
      ? []
      : [database, url, checkBackups(values), checkMail(values)].flatMap((result) => failuresOf(result));
  const keys = new Set(first.map(({ key }) => key));
  if (keys.has('PUBLIC_URL')) keys.add('dns.domain').add('dns.custom_subdomain').add('dns');
  const all = [...first, ...second.filter(({ key }) => !keys.has(key))];
  if (all.length > 0 || !database.ok || !url.ok) return fail(all);
  const config = composeConfig(values, { database: database.value, publicUrl: url.value }, cwd, file.path);
  return succeed({ config: freezeDeeply(config), warnings: [...file.warnings, ...warningsOf(values)] });
}

/** The same, from this process' environment, working directory and file system. */
export function loadConfigFromProcess(): ConfigResult {
  return loadConfig({ env: process.env, readFile: readIfThere, cwd: process.cwd() });
}

/** What is set, also where it is wrong. */
export function inspectConfigOfProcess(): Inspected {
  return inspectConfig({ env: process.env, readFile: readIfThere, cwd: process.cwd() });
}

function failuresOf(result: Result<unknown, ConfigFailure | readonly ConfigFailure[]>): ConfigFailure[] {
  return result.ok ? [] : [result.failure].flat();
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function freezeDeeply<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  Object.values(value).forEach(freezeDeeply);
  return Object.freeze(value);
}
