// What a run of an operation has in its hands, and how it calls the provider: whatever that does, the run gets a result.
import type { Db } from '../db/connect.ts';
import type { OperationRecord, Progress } from '../db/operations.ts';
import type { OperationProblem } from '../vms/operation.ts';
import type { RunControl } from './control.ts';
import { fail } from '../result.ts';
import type { Provider, ProvisionEvent, ProvisionFailure, ProvisionResult } from './provider.ts';

export type Run = {
  readonly db: Db;
  readonly provider: Provider;
  readonly operation: OperationRecord;
  readonly control: RunControl;
  /** A line of the operation's output. */
  readonly tell: (event: ProvisionEvent) => void;
  /** Counts; written now and then, and at the end. */
  readonly progress: Counter;
  /** Rows and machines could not be brought together: to be done later. */
  readonly unsettled: () => void;
  /** An error that the run survives, for the log. */
  readonly onError: (error: unknown, doing: string) => void;
};

/** Null where all that was asked for was done. */
export type Outcome = OperationProblem | null;

export function problemOf({ code, message, remedy }: ProvisionFailure): OperationProblem {
  return { kind: code, problem: message, remedy };
}

export type Counter = {
  readonly get: () => Progress;
  add(change: Partial<Progress>): void;
};

/** Runs a call of the provider to its end: an error that it throws is a result too, and one that hangs is left. */
export async function callProvider(
  { control, onError }: Pick<Run, 'control' | 'onError'>,
  call: () => Promise<ProvisionResult>,
): Promise<ProvisionResult> {
  const answered = Promise.resolve()
    .then(call)
    .catch((error: unknown): ProvisionResult => {
      onError(error, 'calling the provider');
      return fail({
        code: 'engine',
        message: 'The provider failed unexpectedly; the log of the server has the error.',
        remedy: 'Try again. If it happens again, report it with the log.',
      });
    });
  const left = control.abandoned.then((): ProvisionResult =>
    fail({
      code: 'engine',
      message: 'The provider did not end, although it was forced to.',
      remedy: 'Look at the machines, then destroy what is left over.',
    }),
  );
  return Promise.race([answered, left]);
}

/** @param store is called with the newest counts, never twice at once. */
export function createCounter(store: (progress: Progress) => Promise<void>): Counter {
  let now: Progress = { done: 0, failed: 0, total: 0 };
  let stored = now;
  let storing = false;

  async function storeNewest(): Promise<void> {
    if (storing) return;
    storing = true;
    while (stored !== now) {
      stored = now;
      await store(now);
    }
    storing = false;
  }

  return {
    get: () => now,
    add: ({ done = 0, failed = 0, total = 0 }) => {
      if (done === 0 && failed === 0 && total === 0) return;
      now = { done: now.done + done, failed: now.failed + failed, total: now.total + total };
      void storeNewest();
    },
  };
}
