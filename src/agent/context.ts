// What the agent's tasks share; created once, in run.ts.
import type { Mutex } from 'async-mutex';
import type { Presence } from './presence.ts';
import type { RequestContext } from './requests.ts';
import type { SavedState } from './state.ts';

export type AgentContext = RequestContext & {
  readonly state: SavedState;
  readonly presence: Presence;
  /** start-host and the deletion of files never run at the same time. */
  readonly exclusive: Mutex;
  /** Aborted: begin nothing new. */
  readonly stopping: AbortSignal;
  /** Aborted: the grace after `stopping` is over. */
  readonly closing: AbortSignal;
};
