// The availability of VMs for participants, cached for a second, because a whole workshop polls it.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { readLabFacts } from '../db/lab-facts.ts';
import type { Settings } from '../db/settings.ts';
import { labStanding } from '../vms/workshop-state.ts';
import type { Clock } from './views.ts';

export type Lab = components['schemas']['Lab'];

export type LabDependencies = { readonly db: Db; readonly settings: Settings; readonly now: Clock };

/** The age at which the cache is refreshed. */
const CACHE_MS = 1_000;

export async function readLab({ db, settings, now }: LabDependencies): Promise<Lab> {
  const [facts, { opensAt, closesAt }] = await Promise.all([readLabFacts(db), settings.read()]);
  const { free, ready, total } = facts;
  const standing = labStanding({ opensAt, closesAt }, now(), facts);
  return { ...standing, free, ready, total, opens_at: opensAt, closes_at: closesAt };
}

/** Reads the database at most once a second. Errors are not cached. */
export function createCachedLabReader(read: () => Promise<Lab>, now: Clock): () => Promise<Lab> {
  let cached: { readonly lab: Promise<Lab>; readonly atMs: number } | null = null;
  return () => {
    const nowMs = now().getTime();
    if (cached !== null && nowMs - cached.atMs < CACHE_MS && nowMs >= cached.atMs) return cached.lab;
    const lab = read();
    const entry = { lab, atMs: nowMs };
    cached = entry;
    lab.catch(() => {
      if (cached === entry) cached = null;
    });
    return lab;
  };
}
