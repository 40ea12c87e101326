// What a run of an operation works with, and how it calls the provider so that it always gets a result.
import type { Db } from '../db/connect.ts';
import type { OperationProgress } from '../db/operations.ts';
import { fail, type Failure, type Result } from '../result.ts';
import type { OperationProblem, OperationProblemKind } from '../vms/operation.ts';
import type { Provider, ProvisionEvent, ProvisionResult } from './provider.ts';
import type { RunControl } from './run-control.ts';

export type Run = {
  readonly db: Db;
  readonly provider: Provider;
  readonly control: RunControl;
  /** Adds a line to the output of the operation. */
  readonly emit: (event: ProvisionEvent) => void;
  /** Stored now and then, and at the end. */
  readonly progress: ProgressCounter;
  readonly now: () => Date;
  /** Rows could not be compared with the VMs that exist: to be done later. */
  readonly requestReconcile: () => void;
  /** Logs an error that the run survives. */
  readonly onError: (error: unknown, doing: string) => void;
};

export type OperationFailure = Failure<OperationProblemKind>;
export type Outcome = Result<undefined, OperationFailure>;

/** The failure of an operation, as the database stores it. */
export function problemOf({ code, message, remedy }: OperationFailure): OperationProblem {
  return { kind: code, problem: message, remedy };
}

export type ProgressCounter = {
  readonly get: () => OperationProgress;
  add(change: Partial<OperationProgress>): void;
  /** Calls `store` with the newest counts after a change, never twice at once. */
  storeWith(store: (progress: OperationProgress) => Promise<void>): void;
};

/** Waits for the call until the run is abandoned. An error that it throws becomes a failure. */
export async function callProvider(
  { control, onError }: Pick<Run, 'control' | 'onError'>,
  call: () => Promise<ProvisionResult>,
): Promise<ProvisionResult> {
  const called = Promise.resolve()
    .then(call)
    .catch((error: unknown) => {
      onError(error, 'calling the provider');
      return PROVIDER_ERROR;
    });
  return Promise.race([called, control.abandoned.then(() => ABANDONED)]);
}

/** Destroying what a run left takes at most this long; the rest is tried again at intervals. */
const CLEAN_UP_MS = 30_000;

/** A run that was forced to end still cleans up. */
export function cleanUpSignal(): AbortSignal {
  return AbortSignal.timeout(CLEAN_UP_MS);
}

const PROVIDER_ERROR: ProvisionResult = fail({
  code: 'engine',
  message: 'The provider failed unexpectedly; the log of the server has the error.',
  remedy: 'Try again. If it happens again, report it with the log.',
});

const ABANDONED: ProvisionResult = fail({
  code: 'engine',
  message: 'The provider did not end, although it was forced to.',
  remedy: 'Look at the machines, then destroy what is left.',
});

export function createProgressCounter(): ProgressCounter {
  let current: OperationProgress = { done: 0, failed: 0, total: 0 };
  let stored = current;
  let storing = false;
  let store: (progress: OperationProgress) => Promise<void> = () => Promise.resolve();

  async function storeNewest(): Promise<void> {
    if (storing) return;
    storing = true;
    while (stored !== current) {
      stored = current;
      await store(current);
    }
    storing = false;
  }

  return {
    get: () => current,
    storeWith: (given) => {
      store = given;
    },
    add: ({ done = 0, failed = 0, total = 0 }) => {
      if (done === 0 && failed === 0 && total === 0) return;
      current = {
        done: current.done + done,
        failed: current.failed + failed,
        total: current.total + total,
      };
      void storeNewest();
    },
  };
}
