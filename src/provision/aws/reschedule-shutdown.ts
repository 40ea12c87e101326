// Moves the shutdown time of machines over SSH: runs `lablink-end <epoch seconds>`, which the boot script has installed.
// The host key must be the known one; if none is known, the first one is accepted and reported.
import ssh2 from 'ssh2';
import pLimit from 'p-limit';
import pTimeout from 'p-timeout';
import { isAborted } from '../../async/abort.ts';
import { commandLine, frameCommand, readFrame } from '../../ssh/frame.ts';
import type { RescheduledVm, SshAccess } from '../provider.ts';

export type RescheduleOptions = {
  /** How to reach a machine, from its row; null if unknown. */
  readonly reachOf: (hostname: string) => Promise<SshAccess | null>;
  /** The allocator's private key, in OpenSSH's format. */
  readonly privateKey: string;
  readonly defaultUser: string;
  /** Called with a host key that was not known, to store it in the row. */
  readonly onHostKey: (hostname: string, sshHostKey: string) => Promise<void>;
  readonly timeoutMs?: number;
};

const PROGRAM = '/usr/local/sbin/lablink-end';
const TIMEOUT_MS = 15_000;
const CONCURRENCY = 10;
const OUTPUT_MAX = 200;

/** Implements Provider.rescheduleShutdown. */
export function createRescheduleShutdown(
  options: RescheduleOptions,
): (
  hostnames: readonly string[],
  shutdownAt: Date,
  signal: AbortSignal,
) => Promise<readonly RescheduledVm[]> {
  const { timeoutMs = TIMEOUT_MS } = options;
  return (hostnames, shutdownAt, signal) =>
    pLimit(CONCURRENCY).map(hostnames, async (hostname) => ({
      hostname,
      error: await reschedule({ ...options, timeoutMs }, hostname, shutdownAt, signal),
    }));
}

async function reschedule(
  options: Required<RescheduleOptions>,
  hostname: string,
  shutdownAt: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const reach = await options.reachOf(hostname);
  if (reach?.address === undefined) return 'Its address is not known yet.';
  if (signal.aborted) return 'The server is stopping.';
  const seconds = Math.floor(shutdownAt.getTime() / 1_000);
  try {
    const { code, output, hostKey } = await run(
      options,
      reach,
      commandLine(['sudo', '-n', PROGRAM, String(seconds)]),
      signal,
    );
    if (reach.sshHostKey === undefined && hostKey !== null) await options.onHostKey(hostname, hostKey);
    if (code === 0) return null;
    const exit = code === null ? 'killed' : `exit ${code}`;
    return `The machine rejected the new shutdown time (${exit})${output === '' ? '' : `: ${output}`}.`;
  } catch (error) {
    if (isAborted(signal)) return 'The server is stopping.';
    return `The machine cannot be reached over SSH: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

type CommandOutput = { readonly code: number | null; readonly output: string };

async function run(
  { privateKey, defaultUser, timeoutMs }: Required<RescheduleOptions>,
  { address, sshPort = 22, sshUser = defaultUser, sshHostKey }: SshAccess,
  command: string,
  signal: AbortSignal,
): Promise<CommandOutput & { readonly hostKey: string | null }> {
  const client = new ssh2.Client();
  const { promise, resolve, reject } = Promise.withResolvers<CommandOutput>();
  let hostKey: string | null = null;
  let isWrongKey = false;
  client.on('error', (error) => reject(isWrongKey ? new Error('its host key is not the known one') : error));
  client.once('close', () => reject(new Error('the connection was closed')));
  client.once('ready', () => execute(client, command, resolve, reject));
  client.connect({
    host: address ?? '',
    port: sshPort,
    username: sshUser,
    privateKey,
    readyTimeout: timeoutMs,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => {
      hostKey = `ssh-ed25519 ${key.toString('base64')}`;
      isWrongKey = sshHostKey !== undefined && hostKey !== sshHostKey;
      return !isWrongKey;
    },
  });
  try {
    const message = `no answer within ${timeoutMs / 1_000} s`;
    const result = await pTimeout(promise, { milliseconds: timeoutMs, message, signal });
    return { ...result, hostKey };
  } finally {
    client.destroy();
  }
}

/** Framed: text that the login shell prints belongs neither to the answer nor to its exit code. */
function execute(
  client: ssh2.Client,
  command: string,
  onDone: (result: CommandOutput) => void,
  onError: (error: Error) => void,
): void {
  const frame = frameCommand(command);
  client.exec(frame.command, (error, channel) => {
    if (error) {
      onError(error);
      return;
    }
    let output = '';
    const [standard, errors] = [readFrame(frame), readFrame(frame, false)];
    const append = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(0, OUTPUT_MAX);
    };
    channel.on('data', (chunk: Buffer) => append(standard.take(chunk)));
    channel.stderr.on('data', (chunk: Buffer) => append(errors.take(chunk)));
    channel.once('close', () => {
      const code = standard.ended()?.code ?? null;
      if (!standard.hasBegun()) onError(new Error(shellMessage(standard.noise())));
      else onDone({ code, output: output.replaceAll(/\s+/g, ' ').trim() });
    });
  });
}

function shellMessage(printed: string): string {
  return `the login shell ran no command: ${printed.replaceAll(/\s+/g, ' ').trim().replace(/\.$/, '')}`;
}
