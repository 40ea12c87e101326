// The GPU's health, as nvidia-smi has it: it works, it fails, or there is none.
import type { Schemas } from '../client/client.ts';
import type { AgentParts } from './parts.ts';
import { runProgram } from './program.ts';

/** A driver that is stuck answers never. */
const NVIDIA_SMI_MS = 15_000;
/** What a shell says of a command that is not there; a wrapper script may pass it on. */
const NOT_FOUND_EXIT_CODE = 127;

/** Null = the agent is stopping. */
export async function readGpuHealth(
  parts: Pick<AgentParts, 'options' | 'stopping'>,
): Promise<Schemas['GpuHealth'] | null> {
  const { options, stopping } = parts;
  const end = await runProgram(options.world, {
    program: 'nvidia-smi',
    args: [],
    input: '',
    environment: options.childEnvironment,
    timeoutMs: NVIDIA_SMI_MS,
    stopSignal: stopping,
    forceSignal: options.forceSignal,
  });
  switch (end.kind) {
    case 'stopped':
      return null;
    case 'timed_out':
      return 'Unhealthy';
    case 'not_started':
      return end.missing ? 'N/A' : 'Unhealthy';
    case 'exited':
      if (end.code === NOT_FOUND_EXIT_CODE) return 'N/A';
      return end.code === 0 ? 'Healthy' : 'Unhealthy';
  }
}
