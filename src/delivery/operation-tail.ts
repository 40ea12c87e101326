// An operation as it runs, for one viewer: its lines after the last one that they have seen, its machines and how it
// stands whenever that changes, and its end. Nothing is lost or told twice: the ids of an operation's lines become visible in their order.
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
  /** The id of the last line that was seen; 0 = none. */
  readonly after: number;
  readonly readMs: number;
  readonly signal: AbortSignal;
};

const LINES_AT_ONCE = 500;

/** Ends after `end`, when the signal is aborted, or when there is no such operation any more. */
export async function* tailOperation({
  db,
  id,
  after,
  readMs,
  signal,
}: Tail): AsyncGenerator<TailItem, void> {
  let cursor = after;
  let told = '';
  const toldMachines = new Map<string, string>();
  do {
    // How it stands is read before its lines: where it has ended, all of them are there.
    const operation = await findOperation(db, id);
    if (operation === null) return;
    const isOver = !isActive(operation.status);
    for (;;) {
      const events = await readOperationEvents(db, id, { after: cursor, limit: LINES_AT_ONCE });
      for (const event of events) {
        yield { kind: 'output', event };
        cursor = event.id;
      }
      if (events.length < LINES_AT_ONCE || signal.aborted) break;
    }
    const machines = news(await readOperationVms(db, id), toldMachines);
    if (machines.length > 0) yield { kind: 'machines', machines };
    const now = JSON.stringify(operation);
    if (isOver) yield { kind: 'end', operation };
    else if (now !== told) yield { kind: 'operation', operation };
    told = now;
    if (isOver) return;
  } while (await delay(readMs, true, { signal }).catch(() => false));
}

/** Those that are not as they were told last; notes them as told. */
function news(machines: readonly OperationVmRecord[], told: Map<string, string>): OperationVmRecord[] {
  return machines.filter((machine) => {
    const now = JSON.stringify(machine);
    if (told.get(machine.hostname) === now) return false;
    told.set(machine.hostname, now);
    return true;
  });
}
