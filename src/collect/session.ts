// One SSH connection into one machine: let in by our key, only where the host key is the right one. Runs commands; knows
// nothing of files.
import ssh2, { type ClientChannel, type ConnectConfig, type ServerHostKeyAlgorithm } from 'ssh2';
import { readChannel, type Patience, type Running } from './channel.ts';
import { VmFailure } from './failure.ts';
import { algorithmsFor, fingerprintOf, hostKeyLine, isSameKey } from './host-key.ts';
import type { CollectLimits, Target } from './target.ts';

export type Session = {
  /** The key that the machine has shown. */
  readonly hostKey: string;
  /** Starts a command. Rejects with a VmFailure. @param input all of its standard input */
  readonly start: (command: string, options: StartOptions) => Promise<Running>;
  /** Ends the connection and all that runs over it. */
  readonly close: () => void;
};

export type StartOptions = Patience & { readonly input?: Buffer };

const KEEP_ALIVE_MS = 10_000;
const KEEP_ALIVE_TRIES = 3;

type Entering = {
  readonly privateKey: string;
  readonly limits: CollectLimits;
  readonly signal: AbortSignal;
};

/** Enters the machine. Rejects with a VmFailure that says why not. */
export async function enter(target: Target, { privateKey, limits, signal }: Entering): Promise<Session> {
  const { address } = target;
  if (address === null)
    throw new VmFailure('no_address', 'No SSH address of this machine is known; register it with one.');
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
    throw refusal(error, target, shown.key, signal);
  }
  client.setNoDelay(true);
  return {
    hostKey: shown.key ?? '',
    start: (command, options) => start(client, command, { ...options, limits }),
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

/** Why the machine was not entered, as a sentence. */
function refusal(error: unknown, target: Target, shownKey: string | null, signal: AbortSignal): VmFailure {
  const said = error instanceof Error ? error.message : String(error);
  const where = `${target.address ?? ''} port ${target.port}`;
  if (signal.aborted) return new VmFailure('stopped', 'The download was stopped.', { cause: error });
  const pinned = target.hostKey;
  if (pinned !== null && shownKey !== null && !isSameKey(shownKey, pinned))
    return new VmFailure(
      'host_key_changed',
      `The host key has changed: ${fingerprintOf(pinned)} is known, ${fingerprintOf(shownKey)} was shown. ` +
        'Either the machine was made anew under the same name, or somebody stands in between; it was not entered.',
    );
  if (pinned !== null && /no matching host key/i.test(said))
    return new VmFailure(
      'host_key_changed',
      `The host key has changed: the machine has none of the kind of ${fingerprintOf(pinned)} any more; it was not entered.`,
    );
  if (/authentication methods failed/i.test(said))
    return new VmFailure(
      'key_refused',
      `The machine refused our key for the user ${target.user} (${where}).`,
    );
  return new VmFailure('unreachable', `The machine cannot be reached by SSH (${where}): ${said}.`, {
    cause: error,
  });
}

async function start(
  client: ssh2.Client,
  command: string,
  { input, limits, ...patience }: StartOptions & { readonly limits: CollectLimits },
): Promise<Running> {
  const { stallMs } = patience;
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new VmFailure('connection_lost', 'The connection was lost.'));
    const timer = setTimeout(
      () => reject(new VmFailure('stalled', `The machine started no command for ${stallMs / 1_000} s.`)),
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
        reject(new VmFailure('connection_lost', `The machine ran no command: ${error.message}.`));
        return;
      }
      // Listened to at once: a quick command has ended before a promise tells that it was started.
      resolve(readChannel(channel, { ...patience, readAheadBytes: limits.readAheadBytes }));
      channel.end(input);
    };
    try {
      client.exec(command, begun);
    } catch {
      settled();
      lost();
    }
  });
}
