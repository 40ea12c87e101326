// One SSH connection to one machine, with the allocator's key, and only if the host key is the right one. Runs commands;
// knows nothing of files.
import ssh2, { type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2';
import { frameCommand, type Passing } from '../ssh/frame.ts';
import { readChannel, type RemoteCommand, type StallLimits } from './channel.ts';
import { VmFailure } from './failure.ts';
import { algorithmsFor, fingerprintOf, hostKeyLine, isSameKey } from './host-key.ts';
import type { CollectLimits, Target } from './target.ts';

export type Session = {
  /** The host key that the machine has shown. */
  readonly hostKey: string;
  readonly user: string;
  /** Starts a command. Rejects with a VmFailure. @param input all of its standard input */
  readonly start: (command: string, options: StartOptions) => Promise<RemoteCommand>;
  /** Closes the connection, which ends its commands. */
  readonly close: () => void;
};

type StartOptions = StallLimits & { readonly passing: Passing; readonly input?: Buffer };

const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVE_TRIES = 3;

type LogIn = {
  readonly privateKey: string;
  readonly limits: CollectLimits;
  readonly signal: AbortSignal;
};

/** Logs in to the machine. Rejects with a VmFailure. */
export async function logIn(target: Target, { privateKey, limits, signal }: LogIn): Promise<Session> {
  const { address } = target;
  if (address === null) throw new VmFailure('no_address', 'The SSH address of this machine is not known.');
  const client = new ssh2.Client();
  const shown: { key: string | null } = { key: null };
  const close = (): void => void client.destroy();
  client.on('error', () => undefined);
  signal.addEventListener('abort', close, { once: true });
  client.once('close', () => signal.removeEventListener('abort', close));
  try {
    await connected(client, signal, {
      host: address,
      port: target.port,
      username: target.user,
      privateKey,
      readyTimeout: limits.connectMs,
      keepaliveInterval: KEEP_ALIVE_MS,
      keepaliveCountMax: KEEP_ALIVE_TRIES,
      hostVerifier: (key: Buffer) => {
        shown.key = hostKeyLine(key);
        return target.hostKey === null || isSameKey(shown.key, target.hostKey);
      },
      ...(target.hostKey !== null && { algorithms: { serverHostKey: hostKeyAlgorithms(target.hostKey) } }),
    });
  } catch (error) {
    close();
    throw logInFailure(error, target, shown.key, signal);
  }
  client.setNoDelay(true);
  return {
    hostKey: shown.key ?? '',
    user: target.user,
    start: (command, options) => start(client, command, { ...options, limits, user: target.user }),
    close,
  };
}

function connected(client: ssh2.Client, signal: AbortSignal, config: ConnectConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once('ready', () => resolve());
    client.once('error', reject);
    client.once('close', () => reject(new Error('the connection was closed')));
    if (signal.aborted) reject(new Error('stopped'));
    else client.connect(config);
  });
}

const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

function hostKeyAlgorithms(line: string): ServerHostKeyAlgorithm[] {
  const fitting = algorithmsFor(line);
  return ALGORITHMS.filter((algorithm) => fitting.includes(algorithm));
}

/** ssh2 has few codes: this is the one place that knows its words. */
function logInFailure(
  error: unknown,
  target: Target,
  shownKey: string | null,
  signal: AbortSignal,
): VmFailure {
  const reason = error instanceof Error ? error.message : String(error);
  const where = `${target.address ?? ''} port ${target.port}`;
  if (signal.aborted) return new VmFailure('stopped', 'The download was stopped.', { cause: error });
  const pinned = target.hostKey;
  if (pinned !== null && shownKey !== null && !isSameKey(shownKey, pinned))
    return new VmFailure(
      'host_key_changed',
      `The host key has changed: expected ${fingerprintOf(pinned)}, got ${fingerprintOf(shownKey)}. ` +
        'The allocator did not log in.',
    );
  if (pinned !== null && /no matching host key/i.test(reason))
    return new VmFailure(
      'host_key_changed',
      `The host key has changed: the machine no longer has a key of the type of ${fingerprintOf(pinned)}. The allocator did not log in.`,
    );
  if (/authentication methods failed/i.test(reason))
    return new VmFailure(
      'key_refused',
      `The machine refused the allocator's key for the user ${target.user} (${where}).`,
    );
  return new VmFailure('unreachable', `The machine cannot be reached by SSH (${where}): ${reason}.`, {
    cause: error,
  });
}

async function start(
  client: ssh2.Client,
  command: string,
  {
    input,
    limits,
    passing,
    user,
    ...stallLimits
  }: StartOptions & {
    readonly limits: CollectLimits;
    readonly user: string;
  },
): Promise<RemoteCommand> {
  const { stallMs } = stallLimits;
  const frame = frameCommand(command, passing);
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new VmFailure('connection_lost', 'The connection was lost.'));
    const timer = setTimeout(
      () =>
        reject(new VmFailure('stalled', `The machine did not start a command within ${stallMs / 1_000} s.`)),
      stallMs,
    );
    const settled = (): void => {
      clearTimeout(timer);
      client.off('close', lost);
    };
    client.once('close', lost);
    const begun = (error: Error | undefined, channel: ClientChannel): void => {
      settled();
      if (error) {
        reject(new VmFailure('connection_lost', `The machine did not run a command: ${error.message}.`));
        return;
      }
      // Read at once: a quick command ends before code that awaits this promise runs.
      const { readAheadBytes } = limits;
      resolve(readChannel(channel, { ...stallLimits, frame, user, readAheadBytes }));
      channel.end(input);
    };
    try {
      client.exec(frame.command, begun);
    } catch {
      settled();
      lost();
    }
  });
}
