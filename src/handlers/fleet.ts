// Launching and destroying machines, and the pages for it.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';

export function createFleetHandlers(): HandlersOf<'fleet'> {
  return {
    createInstancesPage: notServedYet,
    deleteInstancesPage: notServedYet,
    operationPage: notServedYet,
    launchVms: notServedYet,
    destroyVms: notServedYet,
  };
}

function notServedYet(): never {
  throw new ProblemError('not_implemented');
}
