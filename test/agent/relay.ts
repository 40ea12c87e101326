// A network between an agent and its allocator: one address, also across restarts of the allocator, that can be cut or go
// dead.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Relay = AsyncDisposable & {
  readonly url: string;
  /** Closes every connection, and refuses new ones until `restore`. */
  cut(): void;
  /** Keeps every connection open, but passes nothing on in either direction. */
  freeze(): void;
  restore(): void;
};

/** @param target the allocator's address at this moment; null: none */
export async function startRelay(target: () => string | null): Promise<Relay> {
  const open = new Set<Socket>();
  let state: 'open' | 'cut' | 'frozen' = 'open';
  const server = createServer((agent) => {
    hold(agent);
    const to = target();
    if (state === 'frozen') return;
    if (state === 'cut' || to === null) return void agent.destroy();
    const { hostname, port } = new URL(to);
    const allocator = connect(Number(port), hostname);
    hold(allocator);
    agent.pipe(allocator).pipe(agent);
    agent.on('close', () => allocator.destroy());
    allocator.on('close', () => agent.destroy());
  });
  function hold(socket: Socket): void {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    cut() {
      state = 'cut';
      for (const socket of open) socket.destroy();
    },
    freeze() {
      state = 'frozen';
      for (const socket of open) socket.unpipe().pause();
    },
    restore() {
      state = 'open';
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
