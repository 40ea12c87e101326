// The agent: what runs in a VM.
import type { AgentExit, AgentOptions } from './options.ts';

/** Runs the agent until its signal is aborted, or until it cannot go on. Starts no signal handler and never exits the process. */
export async function runAgent(options: AgentOptions): Promise<AgentExit> {
  await options.world.clock.sleep(0, options.signal);
  return { kind: 'fault', message: 'The agent is not written yet.' };
}
