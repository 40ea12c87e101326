// What the agent's tasks share. Made once, in run.ts.
import type { Memory } from './memory.ts';
import type { AgentOptions } from './options.ts';
import type { Presence } from './presence.ts';
import type { RetryDependencies } from './retry.ts';
import type { Turns } from './turn.ts';

export type AgentParts = RetryDependencies & {
  readonly options: AgentOptions;
  readonly memory: Memory;
  readonly presence: Presence;
  /** start-host and emptying never run at the same time. */
  readonly turns: Turns;
  /** Aborted = begin nothing new. */
  readonly stopping: AbortSignal;
  /** Aborted = the grace after `stopping` is over: finish nothing any more. */
  readonly closing: AbortSignal;
};
