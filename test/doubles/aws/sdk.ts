// The AWS clients of the double, one per service, loaded at their first use.
import { isEqual, isObject, type Props } from '../engine/values.ts';

export const ACCOUNT = '123456789012';
export const region = (): string => process.env['AWS_REGION'] ?? 'us-east-1';

/** The module and its client, made once. */
export function lazily<Module, Client>(
  load: () => Promise<Module>,
  connect: (module: Module) => Client,
): () => Promise<{ readonly sdk: Module; readonly client: Client }> {
  let connected: Promise<{ sdk: Module; client: Client }> | null = null;
  return () => (connected ??= load().then((sdk) => ({ sdk, client: connect(sdk) })));
}

/** Null where AWS says that there is no such thing. */
export async function unlessGone<T>(missing: RegExp, asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Error && missing.test(error.name)) return null;
    throw error;
  }
}

export function propsOf(value: unknown): Props {
  return isObject(value) ? value : {};
}

/** Tags as a list, for most services. */
export function tagListOf(tags: unknown): { Key: string; Value: string }[] {
  return Object.entries(propsOf(tags)).map(([Key, Value]) => ({ Key, Value: String(Value) }));
}

/** Tags as a map, for the other services. */
export function tagMapOf(tags: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(propsOf(tags)).map(([key, value]) => [key, String(value)]));
}

/** Whether one of these properties has changed. */
export function differs(olds: Props, news: Props, ...keys: readonly string[]): boolean {
  return keys.some((key) => !isEqual(olds[key], news[key]));
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
