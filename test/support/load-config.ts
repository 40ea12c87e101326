// Loads the configuration from the given variables and at most one file.
import { readFileSync } from 'node:fs';
import { loadConfig, type ConfigResult, type LoadedConfig } from '../../src/config.ts';
import { renderFailures } from '../../src/config/failure.ts';

/** A realistic LabLink config file, with every key of LabLink. */
export const lablinkConfig = readFileSync(
  new URL('../fixtures/lablink-config.yaml', import.meta.url),
  'utf8',
);

/** The default path of the config file. */
export const CONFIG_FILE = '/srv/config/config.yaml';

export function load(env: Record<string, string>, file?: string, path = CONFIG_FILE): ConfigResult {
  const readFile = (asked: string): string | undefined => (asked === path ? file : undefined);
  return loadConfig({ env, readFile, cwd: '/srv' });
}

/** @throws with the error messages of all failures */
export function good(env: Record<string, string>, file?: string): LoadedConfig {
  const result = load(env, file);
  if (!result.ok) throw new Error(renderFailures(result.failure));
  return result.value;
}

/** The invalid keys. */
export function failedKeys(env: Record<string, string>, file?: string): string[] {
  const result = load(env, file);
  return result.ok ? [] : result.failure.map(({ key }) => key);
}

/** The error messages of all failures. */
export function failureText(env: Record<string, string>, file?: string): string {
  const result = load(env, file);
  return result.ok ? '' : renderFailures(result.failure);
}
