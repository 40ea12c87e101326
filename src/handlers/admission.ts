// Who may get a machine now. People who have one get back to it in any case: this runs before a claim, or before they wait.
import { createHash, timingSafeEqual } from 'node:crypto';
import { problem, type ProblemReply } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { isOnRoster, recordRosterRequest } from '../db/roster.ts';
import type { Settings } from '../db/settings.ts';
import { isPlaceOf } from '../db/waiting-list.ts';
import { recordWrongCode, waitAfterWrongCodes } from '../db/wrong-codes.ts';
import { sayMinutes } from '../vms/minutes.ts';
import { normalizeCode } from '../vms/workshop-code.ts';
import { needsCode, needsRoster, type WorkshopSettings } from '../vms/workshop-settings.ts';
import { openingState } from '../vms/workshop-state.ts';
import type { Clock } from './views.ts';

type CodeLimit = {
  /** Counts a try; how many seconds it has to wait. */
  readonly take: (guess: CodeGuess) => Promise<number>;
  readonly forgive: (guess: CodeGuess) => Promise<void>;
};
type CodeGuess = { readonly browserId: string; readonly code: string };

export type AdmissionDependencies = {
  readonly db: Db;
  readonly settings: Settings;
  readonly now: Clock;
  readonly codeLimit: CodeLimit;
};

export type Asking = {
  /** Normalized. */
  readonly email: string;
  readonly browserId: string;
  /** As it was typed; empty where there was none. */
  readonly code: string;
};

export type Refusal = ProblemReply<
  | 'workshop_scheduled'
  | 'workshop_closed'
  | 'code_required'
  | 'code_wrong'
  | 'too_many_code_attempts'
  | 'not_on_roster'
>;

/**
 * The version of the settings that were read last, where they admit anybody now: then they need not be read again, because the claim
 * compares the version. Null = ask `refusalOf`.
 */
export function admitsAnybody({
  settings,
  now,
}: Pick<AdmissionDependencies, 'settings' | 'now'>): string | null {
  const known = settings.known();
  if (known === null || needsCode(known.settings) || needsRoster(known.settings)) return null;
  return openingState(known.settings, now()) === 'open' ? known.version : null;
}

/** Null = may get one. */
export async function refusalOf(
  dependencies: AdmissionDependencies,
  asking: Asking,
): Promise<Refusal | null> {
  const { db, settings, now } = dependencies;
  const current = await settings.read();
  const state = openingState(current, now());
  if (state !== 'open') return problem(`workshop_${state}`);
  const refused = needsCode(current) ? await refusalOfCode(dependencies, current, asking) : null;
  // Who is on the waiting list came with the code: a new one keeps everybody's place.
  if (refused !== null && !(await isPlaceOf(db, asking))) return refused;
  return needsRoster(current) && !(await isOnRoster(db, asking.email))
    ? problem('not_on_roster', {
        errors: [
          { field: 'email', code: 'unknown', message: 'This address is not on the list of participants.' },
        ],
      })
    : null;
}

/** To be called where the refusal was the answer: an admin sees who asked, and can allow it. */
export async function noteRefusal(
  { db }: Pick<AdmissionDependencies, 'db'>,
  refusal: Refusal,
  email: string,
): Promise<void> {
  if (refusal.body.code === 'not_on_roster') await recordRosterRequest(db, email);
}

async function refusalOfCode(
  { db, codeLimit: limit, now }: AdmissionDependencies,
  { code }: Pick<WorkshopSettings, 'code'>,
  asking: Asking,
): Promise<Refusal | null> {
  const given = normalizeCode(asking.code);
  if (given === '')
    return problem('code_required', {
      errors: [{ field: 'code', code: 'required', message: 'Enter the workshop code.' }],
    });
  const guess = { browserId: asking.browserId, code: code ?? '' };
  const waitSeconds = Math.max(await limit.take(guess), await waitAfterWrongCodes(db, guess.code, now()));
  if (waitSeconds > 0)
    return problem('too_many_code_attempts', {
      detail: `Too many wrong codes. Wait ${sayMinutes(Math.ceil(waitSeconds / 60))}, or ask your instructor.`,
      headers: { 'Retry-After': String(waitSeconds) },
    });
  if (code === null || !isSame(given, code)) {
    await recordWrongCode(db, guess.code);
    return problem('code_wrong', {
      errors: [{ field: 'code', code: 'mismatch', message: 'This is not the code of this workshop.' }],
    });
  }
  await limit.forgive(guess);
  return null;
}

/** In a time that does not depend on where they differ. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
