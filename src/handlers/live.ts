// Streams of server-sent events that tell what changes.
import type { HandlersOf } from '../contract/handlers.ts';
import { ProblemError } from '../contract/problems.ts';

export function createLiveHandlers(): HandlersOf<'live'> {
  return { streamOperationEvents: notServedYet, streamVmChanges: notServedYet };
}

function notServedYet(): never {
  throw new ProblemError('not_implemented');
}
