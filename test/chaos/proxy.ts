// A TCP proxy that does to connections what networks do: it delays, cuts, half-opens and loses answers. In front of several
// servers it is a balancer that knows nothing of HTTP.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Draw } from '../support/draw.ts';

/** What happens to the bytes of a connection. `answers lost`: requests still arrive; their answers do not. */
type Fault = 'half-open' | 'answers lost';

type Pair = {
  readonly client: Socket;
  readonly server: Socket;
  fault: Fault | null;
  /** Ends the wait of bytes that a half-open connection holds back. */
  release: () => void;
  released: Promise<void>;
};

export type ChaosProxy = AsyncDisposable & {
  readonly port: number;
  readonly pairs: () => readonly Pair[];
  /** Resets this share of the connections. */
  readonly cut: (share: number, draw: Draw) => void;
  /** Gives this share of the connections a fault. They stay so until `heal` or `cut`; new connections are well. */
  readonly spoil: (fault: Fault, share: number, draw: Draw) => readonly Pair[];
  /** Lets the held bytes pass; a connection that has lost an answer is cut, because nothing can repair it. */
  readonly heal: (pairs?: readonly Pair[]) => void;
  readonly reset: (pairs: readonly Pair[]) => void;
  /** Each piece of data passes this much later, in both directions. */
  readonly slow: (delayMs: number) => void;
};

/** @param targets the ports of the servers that can be tried, in turn */
export async function startChaosProxy(targets: () => readonly number[]): Promise<ChaosProxy> {
  const pairs = new Set<Pair>();
  let next = 0;
  let delayMs = 0;
  const closing = new AbortController();

  function accept(client: Socket): void {
    client.on('error', () => client.destroy());
    const ports = targets();
    const first = next++;
    tryNext(0);
    function tryNext(tried: number): void {
      const port = ports[(first + tried) % ports.length];
      if (port === undefined || tried === ports.length) return void client.resetAndDestroy();
      const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      server.once('error', () => tryNext(tried + 1));
      server.once('connect', () => {
        server.removeAllListeners('error');
        join(client, server);
      });
      client.once('close', () => server.destroy());
    }
  }

  function join(client: Socket, server: Socket): void {
    const pair: Pair = { client, server, fault: null, release: () => undefined, released: Promise.resolve() };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      pair.fault = null;
      pair.release();
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', end).on('close', end);
    void forward(pair, client, server);
    void forward(pair, server, client);
  }

  async function forward(pair: Pair, from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from) {
        if (delayMs > 0) await delay(delayMs, undefined, { signal: closing.signal });
        // Read anew after each wait: a connection may be spoiled again.
        while (pair.fault === 'half-open') await pair.released;
        if (pair.fault === 'answers lost' && from === pair.server) continue;
        if (!to.write(chunk as Buffer)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
      }
      to.end();
    } catch {
      from.destroy();
      to.destroy();
    }
  }

  function heal(spoiled: readonly Pair[] = [...pairs]): void {
    for (const pair of spoiled) {
      if (pair.fault === 'answers lost') reset(pair);
      pair.fault = null;
      pair.release();
    }
  }

  const chosen = (share: number, draw: Draw): Pair[] => [...pairs].filter(() => draw.chance(share));
  const server = await listen(accept);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
  return {
    port: address.port,
    pairs: () => [...pairs],
    cut: (share, draw) => chosen(share, draw).forEach(reset),
    spoil: (fault, share, draw) => {
      const spoiled = chosen(share, draw);
      for (const pair of spoiled) {
        pair.release();
        const { promise, resolve } = Promise.withResolvers<undefined>();
        Object.assign(pair, { fault, release: () => resolve(undefined), released: promise });
      }
      return spoiled;
    },
    heal,
    reset: (spoiled) => spoiled.forEach(reset),
    slow: (ms) => (delayMs = ms),
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      closing.abort();
      for (const pair of pairs) reset(pair);
      await closed;
    },
  };
}

function reset({ client, server }: Pair): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}

async function listen(accept: (client: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}
