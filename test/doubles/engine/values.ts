// Property values as Pulumi sends and stores them: JSON, in which a secret is an object with Pulumi's signature.
export type Props = Record<string, unknown>;

/** The key that distinguishes Pulumi's special values from plain objects, and its value for a secret. */
export const SIGNATURE = '4dabf18193072939515e22adb298388d';
export const SECRET = '1b47061264138c4ac30d75fd1eb44270';

export function isObject(value: unknown): value is Props {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isSecret(value: unknown): value is Props {
  return isObject(value) && value[SIGNATURE] === SECRET;
}

/** Replaces every secret in a value. */
export function mapSecrets(value: unknown, replace: (secret: Props) => unknown): unknown {
  if (Array.isArray(value)) return value.map((each) => mapSecrets(each, replace));
  if (isSecret(value)) return replace(value);
  return isObject(value) ? mapProps(value, replace) : value;
}

export function mapProps(props: Props, replace: (secret: Props) => unknown): Props {
  return Object.fromEntries(Object.entries(props).map(([key, each]) => [key, mapSecrets(each, replace)]));
}

export function hasSecrets(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasSecrets);
  return isSecret(value) || (isObject(value) && Object.values(value).some(hasSecrets));
}

/** Replaces every secret with its plain value. */
export function plain(value: unknown): unknown {
  return mapSecrets(value, (secret) => plain(secret['value']));
}

export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}

export function isEqual(left: unknown, right: unknown): boolean {
  return JSON.stringify(sorted(left)) === JSON.stringify(sorted(right));
}

/** The new inputs, but the old values at the paths to ignore: `*`, or paths such as `tags.Name` and `tags["a:b"]`. */
export function ignoreChanges(olds: Props, news: Props, paths: readonly string[]): Props {
  if (paths.includes('*')) return olds;
  let inputs = structuredClone(news);
  for (const path of paths) inputs = withOldValue(olds, inputs, pathOf(path));
  return inputs;
}

function pathOf(text: string): string[] {
  const parts = [...text.matchAll(/\["([^"]+)"\]|\[(\d+)\]|([^.[\]"*]+)/g)];
  if (parts.map(([all]) => all).join('') !== text.replaceAll('.', ''))
    throw new Error(`the engine double does not understand the path ${text} in ignoreChanges`);
  return parts.map(([, quoted, index, name]) => quoted ?? index ?? name ?? '');
}

function withOldValue(olds: unknown, news: unknown, [key, ...rest]: readonly string[]): Props {
  const copy: Props = isObject(news) ? { ...news } : {};
  if (key === undefined) return copy;
  const old = isObject(olds) ? olds[key] : undefined;
  const value = rest.length > 0 && isObject(old) ? withOldValue(old, copy[key], rest) : old;
  if (value !== undefined) return { ...copy, [key]: value };
  return Object.fromEntries(Object.entries(copy).filter(([name]) => name !== key));
}
