// Follows one operation for one viewer: its lines after the last id, its VMs and its state when they change, and its end.
// The ids of an operation's lines become visible in order, so no line is lost or sent twice.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../db/connect.ts';
import { readOperationEvents, type OperationEventRecord } from '../db/operation-events.ts';
import { readOperationVms, type OperationVmRecord } from '../db/operation-vms.ts';
import { findOperation, type OperationRecord } from '../db/operations.ts';
import { isActive } from '../vms/operation.ts';

export type TailItem =
  | { readonly kind: 'output'; readonly event: OperationEventRecord }
  | { readonly kind: 'machines'; readonly machines: readonly OperationVmRecord[] }
  | { readonly kind: 'operation' | 'end'; readonly operation: OperationRecord };

export type Tail = {
  readonly db: Db;
  readonly id: string;
  /** The id of the last line that the viewer has; 0 = none. */
  readonly after: number;
  readonly readMs: number;
  readonly signal: AbortSignal;
};

const LINES_AT_ONCE = 500;

/** Ends after `end`, when the signal is aborted, or when the operation was deleted. */
export async function* tailOperation({
  db,
  id,
  after,
  readMs,
  signal,
}: Tail): AsyncGenerator<TailItem, void> {
  let cursor = after;
  let sent = '';
  const sentMachines = new Map<string, string>();
  do {
    // Read before the lines: if the operation has ended, all of its lines are there.
    const operation = await findOperation(db, id);
    if (operation === null) return;
    const hasEnded = !isActive(operation.status);
    for (;;) {
      const events = await readOperationEvents(db, id, { after: cursor, limit: LINES_AT_ONCE });
      for (const event of events) {
        yield { kind: 'output', event };
        cursor = event.id;
      }
      if (events.length < LINES_AT_ONCE || signal.aborted) break;
    }
    const machines = changedMachines(await readOperationVms(db, id), sentMachines);
    if (machines.length > 0) yield { kind: 'machines', machines };
    const now = JSON.stringify(operation);
    if (hasEnded) {
      yield { kind: 'end', operation };
      return;
    }
    if (now !== sent) yield { kind: 'operation', operation };
    sent = now;
  } while (await delay(readMs, true, { signal }).catch(() => false));
}

/** Those that have changed since they were sent; records them as sent. */
function changedMachines(
  machines: readonly OperationVmRecord[],
  sent: Map<string, string>,
): OperationVmRecord[] {
  return machines.filter((machine) => {
    const now = JSON.stringify(machine);
    if (sent.get(machine.hostname) === now) return false;
    sent.set(machine.hostname, now);
    return true;
  });
}
