// The engine's command line as the Automation API calls it, with what its own way lacks: a call that was cancelled
// before it began does not begin.
import { PulumiCommand } from '@pulumi/pulumi/automation/index.js';

/** @param root holds bin/pulumi; null = the one on the PATH */
export async function getCommand(root: string | null): Promise<PulumiCommand> {
  return heedful(await PulumiCommand.get(root === null ? {} : { root }));
}

/** Downloads the version of this SDK unless it is there already. */
export async function installCommand(root: string): Promise<PulumiCommand> {
  return heedful(await PulumiCommand.install({ root }));
}

/** The signal is the last argument of `run`; it only hears an abort that comes later. */
function heedful(command: PulumiCommand): PulumiCommand {
  const run: unknown = Reflect.get(command, 'run');
  if (typeof run !== 'function') throw new Error('The Automation API has no PulumiCommand.run any more.');
  const value = async (...given: unknown[]): Promise<unknown> => {
    const signal = given.at(-1);
    if (signal instanceof AbortSignal && signal.aborted) throw new Error('update canceled before it began');
    const ran: unknown = await Reflect.apply(run, command, given);
    return ran;
  };
  Object.defineProperty(command, 'run', { value });
  return command;
}
