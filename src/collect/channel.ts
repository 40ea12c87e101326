// The output of a command on a machine, piece by piece, read no faster than it is taken: the rest waits on the machine. A
// machine that sends nothing, or next to nothing, while it is waited for is given up.
import type { ClientChannel } from 'ssh2';
import { VmFailure } from './failure.ts';

export type RemoteCommand = {
  /** The next piece of its output; null at the end. Rejects with a VmFailure when it stalls. */
  readonly next: () => Promise<Buffer | null>;
  /** After its output has ended: its exit code, null if the connection was lost, and its error output. */
  readonly ended: () => Promise<{ readonly code: number | null; readonly errors: string }>;
  readonly close: () => void;
};

export type StallLimits = {
  /** The command is given up when it was waited for this long since it last sent `dripBytes`. */
  readonly stallMs: number;
  readonly dripBytes: number;
  /** The same for all waiting together; no limit by default. */
  readonly waitMs?: number;
};
type Options = StallLimits & { readonly readAheadBytes: number };

/** Of the error output only the beginning is kept. */
const ERROR_CHARACTERS = 65_536;

export function readChannel(
  channel: ClientChannel,
  { readAheadBytes, ...limits }: Options,
  nowMs: () => number = () => performance.now(),
): RemoteCommand {
  const stall = createStallTimer(limits, nowMs);
  const queue: Buffer[] = [];
  let queuedBytes = 0;
  let isOver = false;
  let isClosed = false;
  let code: number | null = null;
  const errors = collectErrors(channel);
  const news = createNews(stall);

  channel.on('data', (piece: Buffer) => {
    queue.push(piece);
    queuedBytes += piece.length;
    if (queuedBytes >= readAheadBytes) channel.pause();
    news.notify();
  });
  channel.once('exit', (exitCode: unknown) => {
    if (typeof exitCode === 'number') code = exitCode;
  });
  channel.once('end', () => {
    isOver = true;
    news.notify();
  });
  channel.once('close', () => {
    [isOver, isClosed] = [true, true];
    news.notify();
  });
  channel.on('error', () => undefined);

  return {
    next: async () => {
      while (queue.length === 0 && !isOver) await news.wait();
      const piece = queue.shift();
      if (piece === undefined) return null;
      queuedBytes -= piece.length;
      stall.received(piece.length);
      if (queuedBytes < readAheadBytes / 2 && channel.isPaused()) channel.resume();
      return piece;
    },
    ended: async () => {
      if (!isClosed) stall.received(limits.dripBytes);
      while (!isClosed) await news.wait();
      return { code, errors: errors() };
    },
    close: () => channel.close(),
  };
}

/** `wait` resolves at the next `notify`, or rejects when the stall timer has run out. */
function createNews(stall: StallTimer) {
  let wake: (() => void) | null = null;
  return {
    notify: (): void => {
      wake?.();
      wake = null;
    },
    wait: (): Promise<void> =>
      new Promise((resolve, reject) => {
        const wait = stall.start();
        const timer = setTimeout(() => {
          wake = null;
          reject(stall.failure());
        }, wait.leftMs);
        wake = () => {
          clearTimeout(timer);
          wait.stop();
          resolve();
        };
      }),
  };
}

type StallTimer = {
  /** Waiting begins. */
  readonly start: () => { readonly leftMs: number; readonly stop: () => void };
  /** Only every `dripBytes` bytes start the stall time-out anew: single bytes do not keep a download alive. */
  readonly received: (bytes: number) => void;
  readonly failure: () => VmFailure;
};

function createStallTimer(
  { stallMs, dripBytes, waitMs = Infinity }: StallLimits,
  nowMs: () => number,
): StallTimer {
  let [receivedBytes, waitedMs, totalMs] = [0, 0, 0];
  return {
    start: () => {
      const startedMs = nowMs();
      return {
        leftMs: Math.max(Math.min(stallMs - waitedMs, waitMs - totalMs), 0),
        stop: () => {
          const elapsedMs = nowMs() - startedMs;
          waitedMs += elapsedMs;
          totalMs += elapsedMs;
        },
      };
    },
    received: (bytes) => {
      receivedBytes += bytes;
      if (receivedBytes >= dripBytes) [receivedBytes, waitedMs] = [0, 0];
    },
    failure: () => {
      if (waitMs - totalMs <= stallMs - waitedMs)
        return new VmFailure('stalled', `The machine did not finish within ${waitMs / 1_000} s.`);
      const sent = receivedBytes === 0 ? 'nothing' : `only ${receivedBytes} bytes`;
      return new VmFailure('stalled', `The machine sent ${sent} for ${stallMs / 1_000} s.`);
    },
  };
}

function collectErrors(channel: ClientChannel): () => string {
  let errors = '';
  channel.stderr.on('data', (piece: Buffer) => {
    if (errors.length < ERROR_CHARACTERS) errors += piece.toString('utf8');
  });
  return () => errors;
}
