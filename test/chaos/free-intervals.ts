// When each machine was free, from the events that the database has recorded. Pure.
import type { Rows } from './evidence.ts';

type Change = { readonly at: number; readonly isFree: boolean };

/**
 * An event is dated when its statement begins, and seen when it commits, which a network that hangs delays. A machine counts
 * as free only after this.
 */
const VISIBLE_AFTER_MS = 5_000;

/** The machines that were free during all of this time. */
export function freeThroughout(rows: Rows, from: number, to: number): string[] {
  return rows.vms
    .map(({ hostname }) => hostname)
    .filter((hostname) => wasFree(changesOf(rows, hostname), from, to));
}

function wasFree(changes: readonly Change[], from: number, to: number): boolean {
  const before = changes.findLast(({ at }) => at <= from);
  const during = changes.some(({ at, isFree }) => at > from && at <= to && !isFree);
  return before?.isFree === true && before.at + VISIBLE_AFTER_MS <= from && !during;
}

/** Only its reset frees a machine that somebody had; a machine is taken from the moment at which its claim began. */
function changesOf({ assignments, events, moves }: Rows, hostname: string): Change[] {
  const taken = [
    ...assignments.filter((row) => row.hostname === hostname).map(({ assignedAt }) => assignedAt),
    ...moves.filter((move) => move.hostname === hostname).map(({ at }) => at),
  ].map((at) => ({ at, what: 'taken' as const }));
  const own = events
    .filter((event) => event.hostname === hostname)
    .map((event) => ({ ...event, what: 'event' as const }));
  let isHeld = false;
  let isUsable = false;
  return [...taken, ...own]
    .toSorted((a, b) => a.at - b.at)
    .map((change) => {
      if (change.what === 'taken') isHeld = true;
      else {
        isUsable = change.status === 'running';
        if (change.event === 'reset') isHeld = false;
      }
      return { at: change.at, isFree: isUsable && !isHeld };
    });
}
