// The availability of VMs for participants, cached for a second, because a whole workshop polls it.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { readLabFacts } from '../db/lab-facts.ts';
import { labSentence, labState } from '../vms/lab-availability.ts';

export type Lab = components['schemas']['Lab'];

/** The age at which the cache is refreshed. */
const CACHE_MS = 1_000;

export async function readLab(db: Db): Promise<Lab> {
  const facts = await readLabFacts(db);
  const { free, ready, total } = facts;
  return { state: labState(facts), free, ready, total, message: labSentence(facts) };
}

/** Reads the database at most once a second. Errors are not cached. */
export function createCachedLabReader(db: Db, now: () => Date): () => Promise<Lab> {
  let cached: { readonly lab: Promise<Lab>; readonly atMs: number } | null = null;
  return () => {
    const nowMs = now().getTime();
    if (cached !== null && nowMs - cached.atMs < CACHE_MS && nowMs >= cached.atMs) return cached.lab;
    const lab = readLab(db);
    const entry = { lab, atMs: nowMs };
    cached = entry;
    lab.catch(() => {
      if (cached === entry) cached = null;
    });
    return lab;
  };
}
