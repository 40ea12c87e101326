// An SSH client for tests, based on ssh2: it connects, runs commands and collects their output.
import ssh2 from 'ssh2';
import type { ClientChannel, ConnectConfig } from 'ssh2';
import { buffer, text } from 'node:stream/consumers';
import type { SshAccess } from '../../src/provision/provider.ts';

type Ran = {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: Buffer;
  readonly error: string;
};

type Started = {
  readonly channel: ClientChannel;
  /** Exit code or signal; rejects if the channel closes without either. */
  readonly ended: Promise<Pick<Ran, 'code' | 'signal'>>;
};

export type Connected = Disposable & {
  readonly run: (command: string, input?: Buffer) => Promise<Ran>;
  readonly start: (command: string) => Promise<Started>;
  readonly client: ssh2.Client;
};

/** Connects with a machine's SSH access data; rejects if the server has another host key. */
export async function connect(
  { address, sshPort, sshUser, sshHostKey }: SshAccess,
  how: Pick<ConnectConfig, 'privateKey' | 'password' | 'username'>,
): Promise<Connected> {
  const client = new ssh2.Client();
  const ready = Promise.withResolvers<undefined>();
  client.once('ready', () => ready.resolve(undefined));
  client.on('error', (error) => ready.reject(error));
  client.once('close', () => ready.reject(new Error('the connection was closed')));
  client.connect({
    host: address!,
    port: sshPort!,
    username: sshUser!,
    hostVerifier: (key: Buffer) => `ssh-ed25519 ${key.toString('base64')}` === sshHostKey,
    ...how,
  });
  await ready.promise;
  client.setNoDelay(true);
  const start = (command: string): Promise<Started> =>
    new Promise((resolve, reject) => {
      client.exec(command, (error, channel) => {
        if (error) reject(error);
        // Listen at once: a quick command can end before the promise of its start resolves.
        else resolve({ channel, ended: endOf(channel) });
      });
    });
  return {
    client,
    start,
    run: async (command, input) => {
      const { channel, ended } = await start(command);
      const collected = Promise.all([buffer(channel), text(channel.stderr)]);
      channel.end(input);
      const [out, error] = await collected;
      return { ...(await ended), out, error };
    },
    [Symbol.dispose]: () => void client.end(),
  };
}

function endOf(channel: ClientChannel): Promise<Pick<Ran, 'code' | 'signal'>> {
  const ended = new Promise<Pick<Ran, 'code' | 'signal'>>((resolve, reject) => {
    channel.once('exit', (code: number | null, signal?: string) => resolve({ code, signal: signal ?? null }));
    channel.once('close', () => reject(new Error('closed without an exit status')));
  });
  ended.catch(() => undefined);
  return ended;
}
