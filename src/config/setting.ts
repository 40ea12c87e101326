// One setting: a zod rule with what documents and messages need to know about it. The schema consists of these.
import { z } from 'zod';

type About = {
  /** Given as it would be written, and held to the same rule as a given one. */
  readonly default?: string | number | boolean;
  /** What happens without a value, where there is no default. */
  readonly otherwise?: string;
  readonly meaning: string;
  /** Never shown, not even where it is wrong. */
  readonly secret?: true;
  /** A blank value or the word "none" in the config file is a value, not the absence of one. */
  readonly blankCounts?: true;
  /** For the sample config file, where the default is not the best example. */
  readonly example?: string | number | boolean | readonly string[];
};

export type Setting = About & {
  /** The environment variable. It wins over the config file. */
  readonly env?: string;
  /** The key in the config file, such as `db.port`. */
  readonly file?: string;
  /** The end of "Set NAME to …". */
  readonly accepts: string;
  readonly unit?: string;
};

/** Unlike z.ZodOptional: the key is always there. */
type OrUndefined<R extends z.ZodType> = z.ZodType<z.output<R> | undefined>;
type WithDefault = { readonly default: string | number | boolean };

export const settings = z.registry<Setting>();

/** A setting of the environment; `file` names the key of the config file that sets the same. */
export function env<R extends z.ZodType>(
  name: string,
  rule: R,
  about: About & WithDefault & { readonly file?: string },
): z.ZodPrefault<R>;
export function env<R extends z.ZodType>(
  name: string,
  rule: R,
  about: About & { readonly file?: string },
): OrUndefined<R>;
export function env(name: string, rule: z.ZodType, about: About & { readonly file?: string }): z.ZodType {
  return make(rule, { ...about, env: name });
}

/** A setting of the config file alone. */
export function file<R extends z.ZodType>(key: string, rule: R, about: About & WithDefault): z.ZodPrefault<R>;
export function file<R extends z.ZodType>(key: string, rule: R, about: About): OrUndefined<R>;
export function file(key: string, rule: z.ZodType, about: About): z.ZodType {
  return make(rule, { ...about, file: key });
}

function make(rule: z.ZodType, about: Omit<Setting, 'accepts' | 'unit'>): z.ZodType {
  const { description = '', unit } = rule.meta() ?? {};
  const schema = about.default === undefined ? z.optional(rule) : z.prefault(rule, about.default);
  const words = { accepts: description, ...(typeof unit === 'string' && { unit }) };
  return schema.register(settings, { ...about, ...words });
}

/** Every setting below a schema, in order, with its place in the output. */
export function listSettings(
  schema: z.ZodObject,
  parents: readonly string[] = [],
): { readonly path: readonly string[]; readonly section: string; readonly setting: Setting }[] {
  const own: ReturnType<typeof listSettings> = [];
  for (const [name, member] of Object.entries(schema.shape)) {
    const path = [...parents, name];
    const setting = settings.get(member);
    if (setting !== undefined) own.push({ path, section: schema.description ?? '', setting });
    else if (member instanceof z.ZodObject) own.push(...listSettings(member, path));
  }
  return own;
}
