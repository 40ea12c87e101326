// What was launched and destroyed, by whom, and how it went.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';

export function createOperationHandlers(): HandlersOf<'operations'> {
  return { listOperations: notServedYet, getOperation: notServedYet, cancelOperation: notServedYet };
}

function notServedYet(): never {
  throw new ProblemError('not_implemented');
}
