// A TCP proxy between the allocator and Postgres, with which tests cut, freeze and restore the connection.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export type TcpProxy = AsyncDisposable & {
  /** The connection string of the target, with the address of the proxy. */
  readonly connectionString: string;
  /** Closes all connections and refuses new ones, like a server that has stopped. */
  readonly cut: () => Promise<void>;
  /** Accepts connections but forwards nothing, like a network that drops all packets. */
  readonly freeze: () => void;
  /** Undoes `cut` and `freeze`. */
  readonly restore: () => Promise<void>;
  /** New connections go to this server, like a name that has another address now. */
  readonly moveTo: (connectionString: string) => void;
  /** The number of open connections. */
  readonly open: number;
  /** The number of connections accepted so far. */
  readonly accepted: number;
};

export async function startTcpProxy(connectionString: string): Promise<TcpProxy> {
  let target = new URL(connectionString);
  const pairs = new Set<readonly [client: Socket, server: Socket]>();
  let frozen = false;
  let accepted = 0;
  let server: Server = await listenOn(0, accept);
  const port = portOf(server);

  function accept(client: Socket): void {
    accepted += 1;
    const upstream = connect(Number(target.port), target.hostname);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      pairs.delete(pair);
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.pipe(upstream).pipe(client);
    if (frozen) for (const socket of pair) socket.pause();
  }

  async function cut(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    await closed;
  }

  const url = new URL(connectionString);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  return {
    connectionString: url.href,
    cut,
    freeze: () => {
      frozen = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    restore: async () => {
      frozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
      if (!server.listening) server = await listenOn(port, accept);
    },
    moveTo: (other) => (target = new URL(other)),
    get open() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      if (server.listening) await cut();
    },
  };
}

async function listenOn(port: number, accept: (client: Socket) => void): Promise<Server> {
  const server = createServer(accept);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  return address.port;
}
