// The configuration as a test asks for it: variables and at most one file, nothing else.
import { readFileSync } from 'node:fs';
import { loadConfig, type ConfigResult, type LoadedConfig } from '../../src/config.ts';
import { renderFailures } from '../../src/config/failure.ts';

/** A LabLink config file as people have it, with every key that LabLink knows. */
export const lablinkConfig = readFileSync(
  new URL('../fixtures/lablink-config.yaml', import.meta.url),
  'utf8',
);

/** Where the config file is when nobody says anything. */
export const CONFIG_FILE = '/srv/config/config.yaml';

export function load(env: Record<string, string>, file?: string, path = CONFIG_FILE): ConfigResult {
  const readFile = (asked: string): string | undefined => (asked === path ? file : undefined);
  return loadConfig({ env, readFile, cwd: '/srv' });
}

/** @throws with the failures as people read them. */
export function good(env: Record<string, string>, file?: string): LoadedConfig {
  const result = load(env, file);
  if (!result.ok) throw new Error(renderFailures(result.failure));
  return result.value;
}

/** The keys that are wrong. */
export function failedKeys(env: Record<string, string>, file?: string): string[] {
  const result = load(env, file);
  return result.ok ? [] : result.failure.map(({ key }) => key);
}

/** The failures as people read them. */
export function failureText(env: Record<string, string>, file?: string): string {
  const result = load(env, file);
  return result.ok ? '' : renderFailures(result.failure);
}
