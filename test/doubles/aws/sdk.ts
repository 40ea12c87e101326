// Helpers for the AWS clients of the plugin double.
import { isEqual, isObject, type Props } from '../engine/values.ts';

/** Other credentials than the allocator's: tests see whose requests they are. */
export const PLUGIN_CREDENTIALS = { accessKeyId: 'plugin', secretAccessKey: 'testing' };
/** The settings of each client. */
export const clientSettings = { maxAttempts: 2, credentials: PLUGIN_CREDENTIALS };

export const ACCOUNT = '123456789012';
export const region = (): string => process.env['AWS_REGION'] ?? 'us-east-1';

/** Loads the module of a service and creates its client at the first call; later calls return the same ones. */
export function lazyClient<Module, Client>(
  load: () => Promise<Module>,
  connect: (module: Module) => Client,
): () => Promise<{ readonly sdk: Module; readonly client: Client }> {
  let connected: Promise<{ sdk: Module; client: Client }> | null = null;
  return () => (connected ??= load().then((sdk) => ({ sdk, client: connect(sdk) })));
}

/** The response, or null if AWS answers that the resource does not exist. */
export async function nullIfMissing<T>(notFound: RegExp, response: Promise<T>): Promise<T | null> {
  try {
    return await response;
  } catch (error) {
    if (error instanceof Error && notFound.test(error.name)) return null;
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

/** The keys of tags that are gone. */
export function removedTags(olds: Props, news: Props): string[] {
  const kept = propsOf(news['tags']);
  return Object.keys(propsOf(olds['tags'])).filter((key) => !(key in kept));
}

/** Whether one of these properties has changed. */
export function hasChanged(olds: Props, news: Props, ...keys: readonly string[]): boolean {
  return keys.some((key) => !isEqual(olds[key], news[key]));
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
