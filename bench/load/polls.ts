// The polls of waiting VMs: one connection and one poll each, until the poll is answered or `disconnect` is called.
import { openConnection, type Connection } from './connection.ts';
import { pollRequest } from './requests.ts';

export type Polls = {
  /** Resolves when all polls have been sent. */
  readonly begin: (port: number, hostnames: readonly string[]) => Promise<void>;
  /** When this VM's poll was answered with a command, as in `performance.now`; rejects if the poll ended otherwise. */
  readonly deliveredAt: (hostname: string) => Promise<number>;
  readonly disconnect: () => void;
};

/** Less than the backlog of a listening socket. */
const OPENED_AT_ONCE = 100;

export function createPolls(): Polls {
  const polls = new Map<
    string,
    { readonly connection: Connection; readonly deliveredAtMs: Promise<number> }
  >();

  async function beginOne(port: number, hostname: string): Promise<void> {
    const connection = await openConnection(port);
    const deliveredAtMs = poll(connection, port, hostname);
    // Prevents an unhandled rejection before `deliveredAt` is called.
    deliveredAtMs.catch(() => undefined);
    polls.set(hostname, { connection, deliveredAtMs });
  }

  return {
    begin: async (port, hostnames) => {
      for (let at = 0; at < hostnames.length; at += OPENED_AT_ONCE) {
        const together = hostnames.slice(at, at + OPENED_AT_ONCE);
        await Promise.all(together.map((hostname) => beginOne(port, hostname)));
      }
    },
    deliveredAt: (hostname) => {
      const found = polls.get(hostname);
      return found ? found.deliveredAtMs : Promise.reject(new Error(`${hostname} is not waiting.`));
    },
    disconnect: () => {
      for (const { connection } of polls.values()) connection.close();
      polls.clear();
    },
  };
}

async function poll(connection: Connection, port: number, hostname: string): Promise<number> {
  const { status, body } = await connection.send(pollRequest(port, hostname));
  const atMs = performance.now();
  if (status !== 200 || !body.includes('"success"'))
    throw new Error(`The poll of ${hostname} was answered ${status}: ${body}`);
  return atMs;
}
