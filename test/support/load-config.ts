// The configuration as a test asks for it: variables and at most one file, nothing else.
import { readFileSync } from 'node:fs';
import { loadConfig, type ConfigResult } from '../../src/config.ts';
import { renderFaults } from '../../src/config/problems.ts';
import type { Config } from '../../src/config/schema.ts';

/** A config file as it stands in the field, with every key that its files have. */
export const fieldConfig = readFileSync(new URL('../fixtures/field-config.yaml', import.meta.url), 'utf8');

/** Where the config file is when nobody says anything. */
export const CONFIG_FILE = '/srv/config/config.yaml';

export function load(env: Record<string, string>, file?: string, path = CONFIG_FILE): ConfigResult {
  const readFile = (asked: string): string | undefined => (asked === path ? file : undefined);
  return loadConfig({ env, readFile, cwd: '/srv' });
}

/** @throws with the faults as people read them. */
export function good(
  env: Record<string, string>,
  file?: string,
): { config: Config; warnings: readonly string[] } {
  const result = load(env, file);
  if (!result.ok) throw new Error(renderFaults(result.faults));
  return result;
}

/** The keys that are wrong. */
export function faults(env: Record<string, string>, file?: string): string[] {
  const result = load(env, file);
  return result.ok ? [] : result.faults.map(({ key }) => key);
}

/** The faults as people read them. */
export function faultText(env: Record<string, string>, file?: string): string {
  const result = load(env, file);
  return result.ok ? '' : renderFaults(result.faults);
}
