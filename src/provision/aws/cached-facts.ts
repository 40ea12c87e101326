// Caches what AWS says about instance types, AMIs and quotas: the checks of a launch repeat the questions that the launch
// page has just asked. Only answers that allow a launch are cached.
import type { Cloud } from './cloud.ts';

export type CloudFacts = Pick<Cloud, 'describeTypes' | 'image' | 'onDemandQuota'>;

export type CachedFacts = CloudFacts & { clear(): void };

/** Types and AMIs do not change. */
const CONSTANT_MS = 600_000;
const QUOTA_MS = 60_000;

/** @param now milliseconds of a monotonic clock */
export function cacheFacts(cloud: CloudFacts, now: () => number): CachedFacts {
  const types = createCache<Awaited<ReturnType<Cloud['describeTypes']>>>(CONSTANT_MS, now);
  const images = createCache<Awaited<ReturnType<Cloud['image']>>>(CONSTANT_MS, now);
  const quotas = createCache<Awaited<ReturnType<Cloud['onDemandQuota']>>>(QUOTA_MS, now);
  return {
    describeTypes: (wanted, signal) =>
      types.get(
        wanted.join(','),
        () => cloud.describeTypes(wanted, signal),
        (found) => wanted.every((type) => found.has(type)),
      ),
    image: (amiId, signal) =>
      images.get(
        amiId,
        () => cloud.image(amiId, signal),
        (found) => found !== null,
      ),
    onDemandQuota: (family, signal) =>
      quotas.get(
        family,
        () => cloud.onDemandQuota(family, signal),
        (use) => use !== null,
      ),
    clear: () => {
      for (const cache of [types, images, quotas]) cache.clear();
    },
  };
}

type Cache<T> = {
  /** Asks if nothing is cached under this key, and caches a good answer. */
  get(key: string, ask: () => Promise<T>, isGood: (value: T) => boolean): Promise<T>;
  clear(): void;
};

function createCache<T>(ttlMs: number, now: () => number): Cache<T> {
  const entries = new Map<string, { readonly value: T; readonly expiresMs: number }>();
  return {
    get: async (key, ask, isGood) => {
      const entry = entries.get(key);
      if (entry !== undefined && now() < entry.expiresMs) return entry.value;
      const value = await ask();
      if (isGood(value)) entries.set(key, { value, expiresMs: now() + ttlMs });
      return value;
    },
    clear: () => entries.clear(),
  };
}
