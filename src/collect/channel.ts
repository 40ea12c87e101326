// The output of a command on a machine, piece by piece, read no faster than it is taken: the rest waits on the machine. A
// machine that sends nothing, or next to nothing, while it is waited for is given up. The output ends where its frame says
// so: an exit code or the end of the channel may come before the last data.
import type { ClientChannel } from 'ssh2';
import { readFrame, type Frame, type FrameEnd, type FrameReader } from '../ssh/frame.ts';
import { oneLine, VmFailure } from './failure.ts';

export type RemoteCommand = {
  /** The next piece of its output; null at the end. Rejects with a VmFailure when it stalls. */
  readonly next: () => Promise<Buffer | null>;
  /** After its output has ended: its end, null if the output was cut off, and its error output. */
  readonly ended: () => Promise<{ readonly end: FrameEnd | null; readonly errors: string }>;
  readonly close: () => void;
};

export type StallLimits = {
  /** The command is given up when it was waited for this long since it last sent `dripBytes`. */
  readonly stallMs: number;
  readonly dripBytes: number;
  /** The same for all waiting together; no limit by default. */
  readonly waitMs?: number;
};
type Options = StallLimits & {
  readonly frame: Frame;
  readonly readAheadBytes: number;
  /** Whose login shell runs the command. */
  readonly user: string;
};

/** Of the error output only the beginning is kept. */
const ERROR_CHARACTERS = 65_536;

export function readChannel(
  channel: ClientChannel,
  { frame, user, readAheadBytes, ...limits }: Options,
  nowMs: () => number = () => performance.now(),
): RemoteCommand {
  const stall = createStallTimer(limits, nowMs);
  const queue: Buffer[] = [];
  let queuedBytes = 0;
  let [isOver, isClosed, hasExited] = [false, false, false];
  const output = readFrame(frame);
  const news = createNews(stall);
  const errors = collectErrors(channel, readFrame(frame, false), news.notify);

  channel.on('data', (data: Buffer) => {
    const piece = output.take(data);
    if (piece.length > 0) queue.push(piece);
    queuedBytes += piece.length;
    if (queuedBytes >= readAheadBytes) channel.pause();
    if (output.ended() !== null) isOver = true;
    news.notify();
  });
  channel.once('exit', (exitCode: unknown) => (hasExited = typeof exitCode === 'number'));
  channel.once('end', () => {
    isOver = true;
    news.notify();
  });
  channel.once('close', () => {
    [isOver, isClosed] = [true, true];
    news.notify();
  });
  channel.on('error', () => undefined);

  async function closed(isEnough: () => boolean): Promise<void> {
    if (!isClosed) stall.received(limits.dripBytes);
    while (!isClosed && !isEnough()) await news.wait();
  }
  async function neverBegun(): Promise<void> {
    await closed(() => false);
    if (hasExited) throw shellFailure(user, oneLine(output.noise()));
  }

  return {
    next: async () => {
      while (queue.length === 0 && !isOver) await news.wait();
      const piece = queue.shift();
      if (piece === undefined && !output.hasBegun()) await neverBegun();
      if (piece === undefined) return null;
      queuedBytes -= piece.length;
      stall.received(piece.length);
      if (queuedBytes < readAheadBytes / 2 && channel.isPaused()) channel.resume();
      return piece;
    },
    ended: async () => {
      // What the shell started in the background may keep the channel open.
      await closed(() => output.ended() !== null && errors.isOver());
      return { end: output.ended(), errors: errors.text() };
    },
    close: () => channel.close(),
  };
}

function shellFailure(user: string, printed: string): VmFailure {
  const what = `The login shell of ${user} did not run a command.`;
  return new VmFailure('login_shell', printed === '' ? what : `${what} It printed: ${printed}`);
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

function collectErrors(channel: ClientChannel, frame: FrameReader, notify: () => void) {
  let errors = '';
  channel.stderr.on('data', (data: Buffer) => {
    const piece = frame.take(data);
    if (errors.length < ERROR_CHARACTERS) errors += piece.toString('utf8');
    if (frame.ended() !== null) notify();
  });
  return { text: () => errors, isOver: () => frame.ended() !== null };
}
