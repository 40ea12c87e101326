// Registers the machine with Chrome Remote Desktop: the code as an argument, the PIN twice on standard input. Neither is
// ever logged or told.
import type { CrdCommand } from './crd-command.ts';
import type { AgentLog, AgentOptions } from './options.ts';
import { runProgram, type ProgramEnd } from './program.ts';

/** `message` says what went wrong, for the admin. */
export type StartHostOutcome =
  { readonly outcome: 'registered' } | { readonly outcome: 'failed'; readonly message: string };

type StartHostOptions = Pick<
  AgentOptions,
  'startHost' | 'hostname' | 'childEnvironment' | 'intervals' | 'world' | 'forceSignal'
>;

/** Of what start-host wrote, so much is told. */
const MESSAGE_MAX_LENGTH = 500;

/** Runs start-host once. `stopSignal`: its time is up, because the agent stops. */
export async function runStartHost(
  options: StartHostOptions,
  given: CrdCommand & { readonly pin: string },
  stopSignal: AbortSignal,
): Promise<StartHostOutcome> {
  const [program, ...firstArguments] = options.startHost;
  const end = await runProgram(options.world, {
    program,
    args: [
      ...firstArguments,
      `--code=${given.code}`,
      `--redirect-url=${given.redirectUrl}`,
      `--name=${options.hostname}`,
    ],
    input: `${given.pin}\n${given.pin}\n`,
    environment: { ...options.childEnvironment, DISPLAY: '' },
    timeoutMs: options.intervals.startHostMs,
    stopSignal,
    forceSignal: options.forceSignal,
  });
  const secrets = [given.code, given.pin];
  return tell(readEnd(end, options.intervals.startHostMs, secrets), options.world.log);
}

function readEnd(end: ProgramEnd, timeoutMs: number, secrets: readonly string[]): StartHostOutcome {
  const failed = (message: string): StartHostOutcome => ({ outcome: 'failed', message });
  switch (end.kind) {
    case 'not_started':
      return failed(`start-host could not be started: ${end.reason}`);
    case 'timed_out':
      return failed(
        `start-host did not end within ${timeoutMs / 1_000} s and was killed. ${lastWords(end.output, secrets)}`,
      );
    case 'stopped':
      return failed('The agent was stopped while start-host ran.');
    case 'exited':
      if (end.code === 0) return { outcome: 'registered' };
      return failed(`start-host ended with ${end.code ?? 'a signal'}. ${lastWords(end.output, secrets)}`);
  }
}

function tell(outcome: StartHostOutcome, log: AgentLog): StartHostOutcome {
  if (outcome.outcome === 'registered') log.info('start-host succeeded: the machine is registered');
  else log.error(outcome.message);
  return outcome;
}

/** The end of what it wrote, in one line, without the code and the PIN. */
function lastWords(output: string, secrets: readonly string[]): string {
  const withoutSecrets = secrets.reduce((text, secret) => text.replaceAll(secret, '[hidden]'), output);
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  const line = withoutSecrets.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length > MESSAGE_MAX_LENGTH ? `…${line.slice(-MESSAGE_MAX_LENGTH)}` : line;
}
