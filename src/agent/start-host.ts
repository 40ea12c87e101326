// Registers the machine with Chrome Remote Desktop: the code is an argument, the PIN comes twice on standard input. Neither
// is ever logged or reported.
import { fail, succeed, type Result } from '../result.ts';
import { REDIRECT_URL } from '../vms/crd-command.ts';
import type { AgentOptions } from './options.ts';
import type { ProgramEnd } from './program.ts';

type StartHostOptions = Pick<
  AgentOptions,
  'startHost' | 'hostname' | 'childEnvironment' | 'intervals' | 'dependencies' | 'forceSignal'
>;

/** Of start-host's output, this much is reported. */
const MESSAGE_MAX_LENGTH = 500;

/** Runs start-host once. A failure is a sentence for the admin. @param stopSignal aborted when the agent must end it */
export async function runStartHost(
  options: StartHostOptions,
  { code, pin }: { readonly code: string; readonly pin: string },
  stopSignal: AbortSignal,
): Promise<Result<undefined, string>> {
  const [program, ...firstArguments] = options.startHost;
  const end = await options.dependencies.runProgram({
    program,
    args: [
      ...firstArguments,
      `--code=${code}`,
      `--redirect-url=${REDIRECT_URL}`,
      `--name=${options.hostname}`,
    ],
    input: `${pin}\n${pin}\n`,
    environment: { ...options.childEnvironment, DISPLAY: '' },
    timeoutMs: options.intervals.startHostMs,
    stopSignal,
    forceSignal: options.forceSignal,
  });
  const { log } = options.dependencies;
  const outcome = readEnd(end, options.intervals.startHostMs, [code, pin]);
  if (outcome.ok) log.info('start-host succeeded: the machine is registered');
  else log.error(outcome.failure);
  return outcome;
}

function readEnd(end: ProgramEnd, timeoutMs: number, secrets: readonly string[]): Result<undefined, string> {
  switch (end.kind) {
    case 'not_started':
      return fail(`start-host could not be started: ${end.reason}`);
    case 'timed_out':
      return fail(
        `start-host did not end within ${timeoutMs / 1_000} s and was killed. ${endOf(end.output, secrets)}`,
      );
    case 'stopped':
      return fail('The agent was stopped while start-host ran.');
    case 'exited':
      if (end.code === 0) return succeed(undefined);
      return fail(`start-host ended with ${end.code ?? 'a signal'}. ${endOf(end.output, secrets)}`);
  }
}

/** The end of its output in one line, without the code and the PIN. */
function endOf(output: string, secrets: readonly string[]): string {
  const withoutSecrets = secrets.reduce((text, secret) => text.replaceAll(secret, '[hidden]'), output);
  // eslint-disable-next-line no-control-regex -- control characters are what is taken out
  const line = withoutSecrets.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim();
  return line.length > MESSAGE_MAX_LENGTH ? `…${line.slice(-MESSAGE_MAX_LENGTH)}` : line;
}
