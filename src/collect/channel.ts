// What a command on a machine says, piece by piece, no faster than it is taken: what is not taken stays there. A machine
// that is asked and says nothing, or next to nothing, is given up.
import type { ClientChannel } from 'ssh2';
import { VmFailure } from './failure.ts';

export type Running = {
  /** The next piece of its output; null at the end. Rejects with a VmFailure when it stalls. */
  readonly next: () => Promise<Buffer | null>;
  /** How it ended, once its output has: a code of null was never told. */
  readonly ended: () => Promise<{ readonly code: number | null; readonly errors: string }>;
  readonly close: () => void;
};

const ERROR_BYTES = 65_536;

export type Patience = {
  /** It is given up once it was waited for so long without having sent `dripBytes` meanwhile. */
  readonly stallMs: number;
  readonly dripBytes: number;
  /** All waiting together; endless where it is not said. */
  readonly waitMs?: number;
};
type Options = Patience & { readonly readAheadBytes: number };

export function readChannel(
  channel: ClientChannel,
  { readAheadBytes, ...options }: Options,
  nowMs: () => number = () => performance.now(),
): Running {
  const patience = createPatience(options, nowMs);
  const queue: Buffer[] = [];
  let queued = 0;
  let over = false;
  let closed = false;
  let code: number | null = null;
  const said = collectErrors(channel);
  const bell = createBell(patience);

  channel.on('data', (piece: Buffer) => {
    queue.push(piece);
    queued += piece.length;
    if (queued >= readAheadBytes) channel.pause();
    bell.ring();
  });
  channel.once('exit', (told: unknown) => {
    if (typeof told === 'number') code = told;
  });
  channel.once('end', () => {
    over = true;
    bell.ring();
  });
  channel.once('close', () => {
    [over, closed] = [true, true];
    bell.ring();
  });
  channel.on('error', () => undefined);

  return {
    next: async () => {
      while (queue.length === 0 && !over) await bell.wait();
      const piece = queue.shift();
      if (piece === undefined) return null;
      queued -= piece.length;
      patience.came(piece.length);
      if (queued < readAheadBytes / 2 && channel.isPaused()) channel.resume();
      return piece;
    },
    ended: async () => {
      if (!closed) patience.came(options.dripBytes);
      while (!closed) await bell.wait();
      return { code, errors: said() };
    },
    close: () => channel.close(),
  };
}

/** Who waits is woken, or told that there is no patience left. */
function createBell(patience: ReturnType<typeof createPatience>) {
  let wake: (() => void) | null = null;
  return {
    ring: (): void => {
      wake?.();
      wake = null;
    },
    wait: (): Promise<void> =>
      new Promise((resolve, reject) => {
        const wait = patience.begin();
        const timer = setTimeout(() => {
          wake = null;
          reject(patience.failure());
        }, wait.atMostMs);
        wake = () => {
          clearTimeout(timer);
          wait.end();
          resolve();
        };
      }),
  };
}

/** A byte now and then is no answer: only so many of them make the waiting begin anew. */
function createPatience({ stallMs, dripBytes, waitMs = Infinity }: Patience, nowMs: () => number) {
  let [came, waitedMs, allMs] = [0, 0, 0];
  return {
    begin: () => {
      const startedMs = nowMs();
      return {
        atMostMs: Math.max(Math.min(stallMs - waitedMs, waitMs - allMs), 0),
        end: (): void => {
          const elapsedMs = nowMs() - startedMs;
          waitedMs += elapsedMs;
          allMs += elapsedMs;
        },
      };
    },
    came: (bytes: number): void => {
      came += bytes;
      if (came >= dripBytes) [came, waitedMs] = [0, 0];
    },
    failure: (): VmFailure => {
      if (waitMs - allMs <= stallMs - waitedMs)
        return new VmFailure('stalled', `The machine was not done after ${waitMs / 1_000} s.`);
      const sent = came === 0 ? 'said nothing for' : `sent only ${came} bytes in`;
      return new VmFailure('stalled', `The machine ${sent} ${stallMs / 1_000} s.`);
    },
  };
}

/** The beginning of what a command complains about. */
function collectErrors(channel: ClientChannel): () => string {
  let errors = '';
  channel.stderr.on('data', (piece: Buffer) => {
    if (errors.length < ERROR_BYTES) errors += piece.toString('utf8');
  });
  return () => errors;
}
