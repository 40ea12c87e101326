// What AWS has said of types, AMIs and the quota, kept for a moment: the page that launches has just asked, and whoever
// clicks there is not to wait for the same answers again. Only good news are kept.
import type { Cloud } from './cloud.ts';

export type CloudFacts = Pick<Cloud, 'describeTypes' | 'image' | 'onDemandQuota'>;

export type RememberedFacts = CloudFacts & {
  /** The next questions are asked of AWS. */
  forget(): void;
};

/** Types and AMIs do not change. */
const CONSTANT_MS = 600_000;
const QUOTA_MS = 60_000;

/** @param now milliseconds of a clock that does not go back */
export function rememberFacts(cloud: CloudFacts, now: () => number): RememberedFacts {
  const types = createMemory<Awaited<ReturnType<Cloud['describeTypes']>>>(CONSTANT_MS, now);
  const images = createMemory<Awaited<ReturnType<Cloud['image']>>>(CONSTANT_MS, now);
  const quotas = createMemory<Awaited<ReturnType<Cloud['onDemandQuota']>>>(QUOTA_MS, now);
  return {
    describeTypes: (wanted, signal) =>
      types.recall(
        wanted.join(','),
        () => cloud.describeTypes(wanted, signal),
        (found) => wanted.every((type) => found.has(type)),
      ),
    image: (amiId, signal) =>
      images.recall(
        amiId,
        () => cloud.image(amiId, signal),
        (found) => found !== null,
      ),
    onDemandQuota: (family, signal) =>
      quotas.recall(
        family,
        () => cloud.onDemandQuota(family, signal),
        (use) => use !== null,
      ),
    forget: () => {
      for (const memory of [types, images, quotas]) memory.clear();
    },
  };
}

type Memory<T> = {
  /** What is known under this key, else what is answered now, which is kept where it is good. */
  recall(key: string, ask: () => Promise<T>, isGood: (value: T) => boolean): Promise<T>;
  clear(): void;
};

function createMemory<T>(keepMs: number, now: () => number): Memory<T> {
  const kept = new Map<string, { readonly value: T; readonly until: number }>();
  return {
    recall: async (key, ask, isGood) => {
      const found = kept.get(key);
      if (found !== undefined && now() < found.until) return found.value;
      const value = await ask();
      if (isGood(value)) kept.set(key, { value, until: now() + keepMs });
      return value;
    },
    clear: () => kept.clear(),
  };
}
