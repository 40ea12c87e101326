// A machine's log as it grows, for one viewer: the lines after the last one that they have seen, read by id again and
// again while they look. Who is too slow for what comes gets the newest lines, and a number that tells what is missing.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { findLogCut, findLogPlace, readLogsAfter, type NumberedLine } from '../db/logs.ts';
import { findStatus } from '../db/vms.ts';
import type { VmStatus } from '../vms/status.ts';

export type LogTailItem =
  | {
      readonly kind: 'lines';
      /** Of the first line, among all that the machine has sent. */
      readonly number: number;
      readonly lines: readonly NumberedLine[];
    }
  | { readonly kind: 'status'; readonly status: VmStatus }
  | { readonly kind: 'gone' };

export type LogTail = {
  readonly db: Db;
  readonly hostname: string;
  /** The id of the last line that was seen; 0 = none. */
  readonly after: number;
  readonly readMs: number;
  readonly signal: AbortSignal;
};

export const LOG_LIMITS = {
  linesAtOnce: 1_000,
  /** Longer lines are cut, one character after this. */
  lineLength: 4_000,
  /** A viewer who is further behind than this is brought to the newest half of it. */
  behind: 20_000,
} as const;

/** Ends after `gone`, or when the signal is aborted. */
export async function* tailLogs(tail: LogTail): AsyncGenerator<LogTailItem, void> {
  const { db, hostname, readMs, signal } = tail;
  let told: VmStatus | null = null;
  let place: Place = { id: tail.after, number: null };
  do {
    const status = await findStatus(db, hostname);
    if (status === null) {
      yield { kind: 'gone' };
      return;
    }
    if (status !== told) yield { kind: 'status', status };
    told = status;
    for (;;) {
      const { number, lines, next } = await readOn(tail, place);
      place = next;
      if (lines.length > 0) yield { kind: 'lines', number, lines };
      if (lines.length < LOG_LIMITS.linesAtOnce || signal.aborted) break;
    }
  } while (await delay(readMs, true, { signal }).catch(() => false));
}

/** Where a viewer stands: the last line that they have, and its number; null = not known yet. */
type Place = { readonly id: number; readonly number: number | null };
type Lines = {
  readonly number: number;
  readonly lines: readonly NumberedLine[];
  readonly next: Place;
};

/** The next lines. How far behind the viewer is, is only looked at where there is much to tell. */
async function readOn({ db, hostname }: LogTail, place: Place): Promise<Lines> {
  const { linesAtOnce: limit, lineLength: maxLength } = LOG_LIMITS;
  const read = (after: number) => readLogsAfter(db, hostname, { after, limit, maxLength });
  let lines = await read(place.id);
  let number = place.number;
  if (lines.length > 0 && (number === null || lines.length === limit)) {
    const found = await findPlace(db, hostname, place.id);
    number = found.number;
    if (found.id !== place.id) lines = await read(found.id);
  }
  const [first, last] = [number ?? 0, lines.at(-1)];
  const next = last ? { id: last.id, number: first + lines.length } : place;
  return { number: first + 1, lines, next };
}

/** Where to read on: after this id, or, too far behind, later. */
async function findPlace(
  db: Db,
  hostname: string,
  id: number,
): Promise<{ readonly id: number; readonly number: number }> {
  const { number, behind } = await findLogPlace(db, hostname, id);
  if (behind <= LOG_LIMITS.behind) return { id, number };
  const later = await findLogCut(db, hostname, LOG_LIMITS.behind / 2);
  if (later === null) return { id, number };
  return { id: later, number: (await findLogPlace(db, hostname, later)).number };
}
