// VMs that wait: one connection and one poll each, held until they are told or leave.
import { openConnection, type Connection } from './connection.ts';
import { pollRequest } from './requests.ts';

export type Polls = {
  /** Resolves when all of them have sent their polls. */
  readonly begin: (port: number, hostnames: readonly string[]) => Promise<void>;
  /** When this VM was told, on the clock of `performance.now`; rejects where its poll ended otherwise. */
  readonly toldAt: (hostname: string) => Promise<number>;
  readonly leave: () => void;
};

/** Below the backlog of a listening socket. */
const OPENED_AT_ONCE = 100;

export function createPolls(): Polls {
  const polls = new Map<string, { readonly connection: Connection; readonly toldMs: Promise<number> }>();

  async function beginOne(port: number, hostname: string): Promise<void> {
    const connection = await openConnection(port);
    const toldMs = poll(connection, port, hostname);
    // Nobody may be asking yet.
    toldMs.catch(() => undefined);
    polls.set(hostname, { connection, toldMs });
  }

  return {
    begin: async (port, hostnames) => {
      for (let at = 0; at < hostnames.length; at += OPENED_AT_ONCE) {
        const together = hostnames.slice(at, at + OPENED_AT_ONCE);
        await Promise.all(together.map((hostname) => beginOne(port, hostname)));
      }
    },
    toldAt: (hostname) => {
      const found = polls.get(hostname);
      return found ? found.toldMs : Promise.reject(new Error(`${hostname} does not wait.`));
    },
    leave: () => {
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
