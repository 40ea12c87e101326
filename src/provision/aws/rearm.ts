// Tells machines over SSH when they are to end: `lablink-end <epoch seconds>`, which the boot script has put there. The
// host key must be the one that is known; where none is yet, the one that answers is taken, and told.
import ssh2 from 'ssh2';
import type { RescheduledVm, SshAccess } from '../provider.ts';

export type RearmOptions = {
  /** How a machine is reached, from its row; null where it is not known. */
  readonly reachOf: (hostname: string) => Promise<SshAccess | null>;
  /** Of the allocator's own key pair, in OpenSSH's format. */
  readonly privateKey: string;
  readonly defaultUser: string;
  /** A host key that was not known: to be written into the row. */
  readonly onHostKey: (hostname: string, sshHostKey: string) => Promise<void>;
  readonly timeoutMs?: number;
};

const PROGRAM = '/usr/local/sbin/lablink-end';
const TIMEOUT_MS = 15_000;
const AT_ONCE = 10;
const SAID_MAX = 200;

/** Of the kind that Provider.rescheduleShutdown is. */
export function createRearm(
  options: RearmOptions,
): (
  hostnames: readonly string[],
  shutdownAt: Date,
  signal: AbortSignal,
) => Promise<readonly RescheduledVm[]> {
  return async (hostnames, shutdownAt, signal) => {
    const waiting = [...hostnames];
    const results: RescheduledVm[] = [];
    const work = async (): Promise<void> => {
      for (let hostname = waiting.shift(); hostname !== undefined; hostname = waiting.shift())
        results.push({ hostname, error: await tell(options, hostname, shutdownAt, signal) });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return results;
  };
}

/** Null when it is told; else why not. */
async function tell(
  options: RearmOptions,
  hostname: string,
  shutdownAt: Date,
  signal: AbortSignal,
): Promise<string | null> {
  const reach = await options.reachOf(hostname);
  if (reach?.address === undefined) return 'Its address is not known yet.';
  if (signal.aborted) return 'The server is stopping.';
  const seconds = Math.floor(shutdownAt.getTime() / 1_000);
  try {
    const { code, said, hostKey } = await run(options, reach, `sudo -n ${PROGRAM} ${seconds}`, signal);
    if (reach.sshHostKey === undefined && hostKey !== null) await options.onHostKey(hostname, hostKey);
    if (code === 0) return null;
    return `It refused its new end (${code === null ? 'killed' : `exit ${code}`})${said === '' ? '' : `: ${said}`}.`;
  } catch (error) {
    return `SSH does not reach it: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

type Ran = { readonly code: number | null; readonly said: string; readonly hostKey: string | null };

function run(
  { privateKey, defaultUser, timeoutMs = TIMEOUT_MS }: RearmOptions,
  { address, sshPort = 22, sshUser = defaultUser, sshHostKey }: SshAccess,
  command: string,
  signal: AbortSignal,
): Promise<Ran> {
  const client = new ssh2.Client();
  const { promise, resolve, reject } = Promise.withResolvers<Ran>();
  let hostKey: string | null = null;
  let refusedKey = false;
  const timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
  const stop = (): void => reject(new Error('the server is stopping'));
  signal.addEventListener('abort', stop, { once: true });
  client.on('error', (error) =>
    reject(refusedKey ? new Error('its host key is not the one that is known') : error),
  );
  client.once('close', () => reject(new Error('the connection was closed')));
  client.once('ready', () => execute(client, command, (ran) => resolve({ ...ran, hostKey }), reject));
  client.connect({
    host: address ?? '',
    port: sshPort,
    username: sshUser,
    privateKey,
    readyTimeout: timeoutMs,
    algorithms: { serverHostKey: ['ssh-ed25519'] },
    hostVerifier: (key: Buffer) => {
      hostKey = `ssh-ed25519 ${key.toString('base64')}`;
      refusedKey = sshHostKey !== undefined && hostKey !== sshHostKey;
      return !refusedKey;
    },
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    client.destroy();
  });
}

/** The command is made of a path of ours and a number: there is nothing in it that a shell could take for more. */
function execute(
  client: ssh2.Client,
  command: string,
  done: (ran: Omit<Ran, 'hostKey'>) => void,
  failed: (error: Error) => void,
): void {
  client.exec(command, (error, channel) => {
    if (error) {
      failed(error);
      return;
    }
    let said = '';
    let code: number | null = null;
    const hear = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(0, SAID_MAX);
    };
    channel.on('data', hear);
    channel.stderr.on('data', hear);
    channel.once('exit', (given: number | null) => (code = given));
    channel.once('close', () => done({ code, said: said.replaceAll(/\s+/g, ' ').trim() }));
  });
}
