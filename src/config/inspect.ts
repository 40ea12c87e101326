// What is set and where, also where it is wrong: for a support bundle. Values that are secret are not in it.
import { resolve } from 'node:path';
import { usesDatabaseSection } from './derive.ts';
import { readConfigFile, valueIn, type ReadFile, type Texts } from './file.ts';
import { givenVariables } from './read.ts';
import { configSchema } from './schema.ts';
import { listSettings, type Setting } from './setting.ts';

type SettingInUse = {
  readonly setting: string;
  readonly from: 'environment' | 'config file' | 'default';
  /** As it is written there; of a default without a value, what happens. */
  readonly value: unknown;
};

const HIDDEN = '[not shown]';
/** Organisers write into them what participants should know: a password of the Wi-Fi, a name. */
const FREE_TEXTS: readonly string[] = ['WORKSHOP_INSTRUCTIONS', 'WORKSHOP_CONTACT'];

type Sources = { readonly env: Texts; readonly readFile: ReadFile; readonly cwd: string };

export type Inspected = {
  readonly settings: readonly SettingInUse[];
  /** Those that are set, so that they can be removed from other texts. */
  readonly secrets: readonly string[];
  /** Absolute. */
  readonly dataDir: string;
};

/** Never fails: what is not understood is shown as it is. */
export function inspectConfig({ env, readFile, cwd }: Sources): Inspected {
  const given = givenVariables(env);
  const { tree } = readConfigFile(given, readFile, cwd, usesDatabaseSection(given));
  const all = listSettings(configSchema).map(({ setting }) => ({
    setting,
    inEnv: setting.env === undefined ? undefined : given[setting.env],
    inFile: setting.file === undefined ? undefined : valueIn(tree, setting.file),
  }));
  const settings = all.map(describe);
  const secrets = all.flatMap(({ setting, inEnv, inFile }) =>
    setting.secret ? [...textsOf(inEnv), ...textsOf(inFile)] : [],
  );
  const { value } = settings.find(({ setting }) => setting === 'DATA_DIR') ?? {};
  return { settings, secrets, dataDir: resolve(cwd, typeof value === 'string' ? value.trim() : '.') };
}

type Found = { readonly setting: Setting; readonly inEnv: string | undefined; readonly inFile: unknown };

/** The environment wins. */
function describe({ setting, inEnv, inFile }: Found): SettingInUse {
  const name = setting.env ?? setting.file ?? '';
  const value = inEnv ?? inFile ?? null;
  if (value === null)
    return { setting: name, from: 'default', value: setting.default ?? setting.otherwise ?? null };
  const isHidden = setting.secret === true || FREE_TEXTS.includes(name);
  return {
    setting: name,
    from: inEnv === undefined ? 'config file' : 'environment',
    value: isHidden ? HIDDEN : value,
  };
}

/** Of an address of a database, its password too: messages may quote it alone. */
function textsOf(value: unknown): string[] {
  if (typeof value !== 'string' && typeof value !== 'number') return [];
  const text = String(value).trim();
  const { password = '' } = URL.parse(text) ?? {};
  return password === '' ? [text] : [text, password, decode(password)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
