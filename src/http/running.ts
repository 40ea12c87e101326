// The requests that are not over.
import type { RequestContext } from './context.ts';

export type Running = {
  readonly add: (context: RequestContext) => void;
  readonly delete: (context: RequestContext) => void;
  readonly all: () => readonly RequestContext[];
};

/**
 * No Set: it makes a new table after some deletions, and each old one keeps the next one and what was in it until a full collection.
 */
export function createRunning(): Running {
  const contexts: RequestContext[] = [];
  return {
    add: (context) => {
      context.place = contexts.push(context) - 1;
    },
    delete: ({ place }) => {
      const last = contexts.pop();
      if (last === undefined || last.place === place) return;
      contexts[place] = last;
      last.place = place;
    },
    all: () => [...contexts],
  };
}
