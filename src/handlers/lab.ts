// Where things stand, as the contract tells it; and the same kept for a moment, since a whole workshop asks at once.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { readLabFacts } from '../db/lab-facts.ts';
import { labSentence, labState } from '../vms/lab-availability.ts';

export type Lab = components['schemas']['Lab'];

/** How old an answer may be. */
const KEPT_MS = 1_000;

export async function readLab(db: Db): Promise<Lab> {
  const facts = await readLabFacts(db);
  const { free, ready, total } = facts;
  return { state: labState(facts), free, ready, total, message: labSentence(facts) };
}

/** One question to the database for all who ask within a second. A failure is not kept. */
export function createLabReader(db: Db, now: () => Date): () => Promise<Lab> {
  let kept: { readonly lab: Promise<Lab>; readonly atMs: number } | null = null;
  return () => {
    const nowMs = now().getTime();
    if (kept !== null && nowMs - kept.atMs < KEPT_MS && nowMs >= kept.atMs) return kept.lab;
    const lab = readLab(db);
    const mine = { lab, atMs: nowMs };
    kept = mine;
    lab.catch(() => {
      if (kept === mine) kept = null;
    });
    return lab;
  };
}
