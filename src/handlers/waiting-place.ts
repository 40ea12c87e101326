// A participant's place on the waiting list: taking it, looking at it, and what the page says.
import type { components } from '../contract/openapi.gen.ts';
import type { Db } from '../db/connect.ts';
import { countUnreserved, readWaitFacts } from '../db/waiting-facts.ts';
import { joinList, returnToPlace, type Joining, type JoinResult, type OpenResult } from '../db/joining.ts';
import { findPlace, type PlaceRecord } from '../db/waiting-list.ts';
import { notePresence } from '../db/waiting-presence.ts';
import { makePin } from '../vms/pin.ts';
import {
  aheadSentence,
  estimateStep,
  minutesOfStep,
  shownStep,
  waitSentence,
  type WaitFacts,
} from '../vms/waiting.ts';
import { guessPin, type PinLimit } from './guess-pin.ts';
import type { Clock } from './views.ts';

export type WaitingPlace = components['schemas']['WaitingPlace'];

export type WaitingDependencies = {
  readonly db: Db;
  readonly now: Clock;
  readonly pinLimit: PinLimit;
  readonly randomInt: (below: number) => number;
  readonly randomUuid: () => string;
  /** How many places on the waiting list one browser may have; 0 = any number. */
  readonly placesPerBrowser: number;
  /** Reserves what is free now. */
  readonly reserve: () => Promise<void>;
  /** Whether a mail server is configured. */
  readonly sendsEmail: boolean;
};

/** The age at which the facts are read again: a whole workshop asks. */
const CACHE_MS = 1_000;
const cache = new WeakMap<Db, { readonly facts: Promise<WaitFacts>; readonly atMs: number }>();

type Joiner = Pick<Joining, 'email' | 'browserId'> & {
  /** The code of the place, where one was entered. */
  readonly givenPin: string | null;
  readonly network: string;
  /** Absent: the choice stays. */
  readonly wantsMail?: boolean | undefined;
};

/** Takes a place, or finds the one of this e-mail; a VM that is free for it is reserved at once. */
export async function takePlace(dependencies: WaitingDependencies, joiner: Joiner): Promise<JoinResult> {
  const { db, pinLimit, randomInt, randomUuid, placesPerBrowser: perBrowser, reserve } = dependencies;
  const { email, browserId, givenPin, wantsMail } = joiner;
  const joined = await guessPin(pinLimit, joiner, (codeWaitSeconds) =>
    joinList(db, {
      ...{ email, browserId, givenCode: givenPin, codeWaitSeconds, perBrowser, wantsMail },
      id: randomUuid(),
      code: makePin(randomInt),
    }),
  );
  // All others on the list may be asleep.
  if (!('id' in joined) || joined.place !== undefined || (await countUnreserved(db)) === 0) return joined;
  await reserve();
  return { kind: joined.kind, id: joined.id };
}

/** Opens the place of this e-mail with its code. Null: there is none, or no code was entered. */
export async function openPlace(
  { db, pinLimit }: WaitingDependencies,
  joiner: Joiner,
): Promise<Exclude<OpenResult, { readonly kind: 'unknown' | 'code_required' }> | null> {
  const { email, browserId, givenPin } = joiner;
  if (givenPin === null) return null;
  const opened = await guessPin(pinLimit, joiner, (codeWaitSeconds) =>
    returnToPlace(db, { email, browserId, givenCode: givenPin, codeWaitSeconds }),
  );
  return opened.kind === 'unknown' || opened.kind === 'code_required' ? null : opened;
}

type LookDependencies = Pick<WaitingDependencies, 'db' | 'now' | 'sendsEmail'>;

/** Reads a place for its participant, and records that the participant is present. */
export async function lookAtPlace(
  dependencies: LookDependencies,
  record: PlaceRecord,
): Promise<WaitingPlace> {
  const { db } = dependencies;
  const step =
    record.state === 'waiting'
      ? shownStep(estimateStep(record.ahead, await readFacts(dependencies)), record.bestEstimateStep)
      : null;
  const isBetter = step !== null && (record.bestEstimateStep === null || step < record.bestEstimateStep);
  if (record.state !== 'left' && (!record.isPresent || isBetter))
    await notePresence(db, { id: record.id, step });
  return placeView(record, step, dependencies);
}

/** The place after it was taken. */
export async function findOwnPlace(
  dependencies: LookDependencies,
  { id, place }: { readonly id: string; readonly place?: PlaceRecord },
): Promise<WaitingPlace | null> {
  const record = place ?? (await findPlace(dependencies.db, id));
  return record && lookAtPlace(dependencies, record);
}

/** Errors are not cached. */
function readFacts({ db, now }: Pick<WaitingDependencies, 'db' | 'now'>): Promise<WaitFacts> {
  const nowMs = now().getTime();
  const cached = cache.get(db);
  if (cached && nowMs - cached.atMs < CACHE_MS && nowMs >= cached.atMs) return cached.facts;
  const facts = readWaitFacts(db);
  cache.set(db, { facts, atMs: nowMs });
  facts.catch(() => cache.delete(db));
  return facts;
}

export function placeView(
  record: PlaceRecord,
  step: number | null,
  { now, sendsEmail }: Pick<WaitingDependencies, 'now' | 'sendsEmail'>,
): WaitingPlace {
  const { reservedUntil } = record;
  return {
    id: record.id,
    email: record.email,
    code: record.code,
    state: record.state,
    message: placeSentence(record),
    ahead: record.ahead,
    estimate_minutes: minutesOfStep(step),
    estimate: waitSentence(step),
    since: record.since.toISOString(),
    reserved_until: reservedUntil?.toISOString() ?? null,
    reserved_seconds:
      reservedUntil && Math.max(0, Math.floor((reservedUntil.getTime() - now().getTime()) / 1_000)),
    missed: record.missed,
    notify: sendsEmail ? record.wantsMail : null,
  };
}

function placeSentence({ state, ahead, missed, leftReason }: PlaceRecord): string {
  switch (state) {
    case 'waiting':
      return missed === 0
        ? aheadSentence(ahead)
        : `The machine that was reserved for you went to the next person. ${aheadSentence(ahead)}`;
    case 'reserved':
      return 'A machine is reserved for you. Get a new command now and submit it.';
    case 'left':
      return leftReason === 'removed'
        ? 'Your instructor has taken you off the waiting list.'
        : 'You did not use the machines that were reserved for you, so you are not on the waiting list any more.';
  }
}
