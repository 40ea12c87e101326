// Follows the log of one VM for one viewer: reads the lines after the last id again and again. A viewer who falls too far
// behind gets the newest lines; their numbers show the gap.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { findLogCut, findLogPosition, readLogsAfter, type NumberedLine } from '../db/logs.ts';
import { findStatus } from '../db/vms.ts';
import type { VmStatus } from '../vms/lifecycle.ts';

export type LogTailItem =
  | {
      readonly kind: 'lines';
      /** The number of the first line among all lines that the VM has sent. */
      readonly number: number;
      readonly lines: readonly NumberedLine[];
    }
  | { readonly kind: 'status'; readonly status: VmStatus }
  | { readonly kind: 'gone' };

export type LogTail = {
  readonly db: Db;
  readonly hostname: string;
  /** The id of the last line that the viewer has; 0 = none. */
  readonly after: number;
  readonly readMs: number;
  readonly signal: AbortSignal;
};

export const LOG_LIMITS = {
  linesAtOnce: 1_000,
  /** Longer lines are cut; one more character is sent, so that the reader can see that. */
  lineLength: 4_000,
  /** A viewer who is more lines behind than this continues with the newest half of them. */
  behind: 20_000,
} as const;

/** Ends after `gone`, or when the signal is aborted. */
export async function* tailLogs(tail: LogTail): AsyncGenerator<LogTailItem, void> {
  const { db, hostname, readMs, signal } = tail;
  let sentStatus: VmStatus | null = null;
  let position: Position = { id: tail.after, number: null };
  do {
    const status = await findStatus(db, hostname);
    if (status === null) {
      yield { kind: 'gone' };
      return;
    }
    if (status !== sentStatus) yield { kind: 'status', status };
    sentStatus = status;
    for (;;) {
      const { number, lines, next } = await readNext(tail, position);
      position = next;
      if (lines.length > 0) yield { kind: 'lines', number, lines };
      if (lines.length < LOG_LIMITS.linesAtOnce || signal.aborted) break;
    }
  } while (await delay(readMs, true, { signal }).catch(() => false));
}

/** The last line that a viewer has, and its number; null = not known yet. */
type Position = { readonly id: number; readonly number: number | null };
type Lines = {
  readonly number: number;
  readonly lines: readonly NumberedLine[];
  readonly next: Position;
};

/** The next lines. Only a full batch can mean that the viewer is too far behind. */
async function readNext({ db, hostname }: LogTail, position: Position): Promise<Lines> {
  const { linesAtOnce: limit, lineLength: maxLength } = LOG_LIMITS;
  const read = (after: number) => readLogsAfter(db, hostname, { after, limit, maxLength });
  let lines = await read(position.id);
  let number = position.number;
  if (lines.length > 0 && (number === null || lines.length === limit)) {
    const found = await findStart(db, hostname, position.id);
    number = found.number;
    if (found.id !== position.id) lines = await read(found.id);
  }
  const [first, last] = [number ?? 0, lines.at(-1)];
  const next = last ? { id: last.id, number: first + lines.length } : position;
  return { number: first + 1, lines, next };
}

/** Where to continue: after this id or, if that is too far behind, later. */
async function findStart(
  db: Db,
  hostname: string,
  id: number,
): Promise<{ readonly id: number; readonly number: number }> {
  const { number, behind } = await findLogPosition(db, hostname, id);
  if (behind <= LOG_LIMITS.behind) return { id, number };
  const later = await findLogCut(db, hostname, LOG_LIMITS.behind / 2);
  if (later === null) return { id, number };
  return { id: later, number: (await findLogPosition(db, hostname, later)).number };
}
