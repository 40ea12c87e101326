// The GPU's health by nvidia-smi: it works, it fails, or there is none.
import type { Schemas } from '../client/client.ts';
import type { AgentContext } from './context.ts';

/** A driver that hangs never answers. */
const NVIDIA_SMI_MS = 15_000;
/** A shell's exit code for a command that does not exist; a wrapper script may pass it on. */
const NOT_FOUND_EXIT_CODE = 127;

/** Null: the agent is stopping. */
export async function readGpuHealth(
  context: Pick<AgentContext, 'options' | 'stopping'>,
): Promise<Schemas['GpuHealth'] | null> {
  const { options, stopping } = context;
  const end = await options.dependencies.runProgram({
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
