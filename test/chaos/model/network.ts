// Between the clients of the model and its allocators: a balancer, requests and answers that are late or lost, clients that leave,
// and connections that look open while nothing passes.
import type { Draw } from '../../support/draw.ts';
import type { ModelAllocator } from './allocator.ts';
import type { Clock } from './clock.ts';

export type NetworkWeather = {
  /** Shares of the requests. */
  lostRequest: number;
  lostAnswer: number;
  /** Of those that a frozen process or proxy holds, and that arrive even if their client has left. */
  heldUp: number;
  delayMs: number;
};

/** No answer: the connection failed, was cut, or the client gave up. */
class NoAnswer extends Error {}

export type Network = {
  /**
   * Sends it to one of the allocators. `signal`: the client leaves; the allocator notices that, as it does with a connection
   * that is cut.
   */
  readonly send: <T>(
    work: (allocator: ModelAllocator, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ) => Promise<T>;
  /** Cuts this share of the open connections. A client may notice that late, as on a half-open one. */
  readonly cut: (share: number, clientNoticesAfterMs: number) => void;
  /** Those of an allocator that has died. */
  readonly cutAllOf: (allocator: ModelAllocator) => void;
  readonly open: () => number;
};

/** Why a client has left. Without a reason, Node makes an error with a stack, which takes a tenth of a run. */
export const LEFT = 'left';
const HELD_UP_MS = 15_000;

type Open = { readonly allocator: ModelAllocator; readonly cut: (clientNoticesAfterMs: number) => void };

export function createNetwork(options: {
  readonly clock: Clock;
  readonly draw: Draw;
  readonly weather: NetworkWeather;
  readonly allocators: () => readonly ModelAllocator[];
}): Network {
  const { clock, draw, weather, allocators } = options;
  const open = new Set<Open>();

  const travel = async (lost: number): Promise<void> => {
    if (weather.delayMs > 0) await clock.sleep(draw.below(weather.delayMs));
    if (draw.chance(lost)) throw new NoAnswer('lost on the way');
  };

  function send<T>(
    work: (allocator: ModelAllocator, signal: AbortSignal) => Promise<T>,
    clientLeaves: AbortSignal,
  ): Promise<T> {
    const left = new AbortController();
    return new Promise<T>((resolve, reject) => {
      const alive = allocators();
      const allocator = alive[draw.below(Math.max(1, alive.length))];
      if (!allocator) return void clock.sleep(50).then(() => reject(new NoAnswer('refused')));
      const connection: Open = {
        allocator,
        cut: (afterMs) => {
          close();
          void clock.sleep(afterMs).then(() => reject(new NoAnswer('cut')));
        },
      };
      const leave = (): void => connection.cut(0);
      const close = (): void => {
        open.delete(connection);
        clientLeaves.removeEventListener('abort', leave);
        left.abort(LEFT);
      };
      open.add(connection);
      if (clientLeaves.aborted) {
        leave();
        return;
      }
      clientLeaves.addEventListener('abort', leave, { once: true });
      const answer = async (): Promise<T> => {
        await travel(weather.lostRequest);
        if (draw.chance(weather.heldUp)) await clock.sleep(draw.below(HELD_UP_MS));
        const value = await work(allocator, left.signal);
        await travel(weather.lostAnswer);
        // What a dead process has answered, and what comes over a connection that is cut, reaches nobody.
        if (allocator.isDead() || !open.has(connection)) throw new NoAnswer('cut');
        return value;
      };
      void answer().then(
        (value) => {
          resolve(value);
          close();
        },
        (error: unknown) => {
          // A connection that was cut is noticed when its client is told.
          if (open.has(connection)) reject(error instanceof Error ? error : new NoAnswer(String(error)));
          close();
        },
      );
    });
  }

  return {
    send,
    cut: (share, afterMs) => {
      for (const connection of [...open]) if (draw.chance(share)) connection.cut(afterMs);
    },
    cutAllOf: (allocator) => {
      for (const connection of [...open]) if (connection.allocator === allocator) connection.cut(0);
    },
    open: () => open.size,
  };
}
