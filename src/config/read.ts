// Values of the environment and of the config file, held to the schema: what is right comes back as values, everything
// that is wrong as failures, so that one start shows all of them.
import { z } from 'zod';
import { shown, type ConfigFailure } from './failure.ts';
import { valueIn, type ConfigFile, type Texts } from './file.ts';
import { configSchema } from './schema.ts';
import { listSettings, settings, type Setting } from './setting.ts';

export type Values = z.output<typeof configSchema>;

type Source = { readonly name: string; readonly value: unknown; readonly path?: string | undefined };

/** Python writes its null as None, and earlier programs passed that word on. */
const UNSET = /^\s*(none|null)?\s*$/i;
const ALL = listSettings(configSchema);
export const variableNames: readonly string[] = ALL.flatMap(({ setting }) => setting.env ?? []);

/** The variables that are ours and not blank: `PORT=` is what a Makefile or a compose file makes of an unset one. */
export function givenVariables(variables: Texts): Texts {
  const isSet = (name: string): boolean => (variables[name] ?? '').trim() !== '';
  return Object.fromEntries(variableNames.filter(isSet).map((name) => [name, variables[name]]));
}

/**
 * Reads every setting: the variable, else the file, else the default. A default stands in for a wrong value.
 * @param usesDatabase whether the `db` section is used; otherwise only its channel is read.
 */
export function readValues(
  given: Texts,
  file: ConfigFile,
  usesDatabase: boolean,
): { readonly values: Values; readonly failures: readonly ConfigFailure[] } {
  const sourceOf = (setting: Setting): Source | undefined => {
    const { env, file: key, blankCounts } = setting;
    if (env !== undefined && given[env] !== undefined) return { name: env, value: given[env] };
    if (key === undefined || (key.startsWith('db.') && key !== 'db.message_channel' && !usesDatabase))
      return undefined;
    const value = valueIn(file.tree, key) ?? undefined;
    const isUnset = value === undefined || (!blankCounts && typeof value === 'string' && UNSET.test(value));
    return isUnset ? undefined : { name: key, value, path: file.path };
  };
  const first = configSchema.safeParse(inputOf(configSchema, (setting) => sourceOf(setting)?.value));
  if (first.success) return { values: first.data, failures: [] };
  const wrong = new Map<Setting, ConfigFailure>();
  for (const { path, message } of first.error.issues) {
    const setting = ALL.find((entry) => entry.path.every((name, index) => name === path[index]))?.setting;
    const source = setting && sourceOf(setting);
    // A default that breaks its own rule.
    if (setting === undefined || source === undefined) throw first.error;
    if (!wrong.has(setting)) wrong.set(setting, failureOf(setting, source, message));
  }
  const rest = inputOf(configSchema, (setting) =>
    wrong.has(setting) ? undefined : sourceOf(setting)?.value,
  );
  return { values: configSchema.parse(rest), failures: [...wrong.values()] };
}

/** The input of the schema, in which every section is there. */
function inputOf(schema: z.ZodObject, value: (setting: Setting) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema.shape).map(([name, member]) => {
      const setting = settings.get(member);
      if (setting === undefined && member instanceof z.ZodObject) return [name, inputOf(member, value)];
      return [name, setting === undefined ? undefined : value(setting)];
    }),
  );
}

function failureOf(setting: Setting, { name, value, path }: Source, message: string): ConfigFailure {
  const { env, accepts, secret } = setting;
  const subject = secret ? 'The value (not shown)' : shown(value);
  const standard = setting.default?.toString() ?? setting.otherwise?.replaceAll('`', '');
  const then = standard === undefined ? '' : ` (default: ${standard})`;
  if (path === undefined) {
    const remedy = `Set ${name} to ${accepts}, or leave it out${then}.`;
    return { code: 'invalid', key: name, message: `${subject} ${message}.`, remedy };
  }
  const write =
    env === undefined ? `Write ${accepts}` : `Set ${env}, which wins over the file, to ${accepts}`;
  const remedy = `${write}, or remove the line${then}.`;
  return { code: 'invalid', key: name, message: `${subject} ${message} (in ${path}).`, remedy };
}
