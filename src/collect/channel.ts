// What a command on a machine says, piece by piece, no faster than it is taken: what is not taken stays there. A machine
// that is asked and says nothing is given up.
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

type Options = { readonly stallMs: number; readonly readAheadBytes: number };

export function readChannel(channel: ClientChannel, { stallMs, readAheadBytes }: Options): Running {
  const queue: Buffer[] = [];
  let queued = 0;
  let over = false;
  let closed = false;
  let code: number | null = null;
  const said = collectErrors(channel);
  let wake: (() => void) | null = null;
  const go = (): void => {
    wake?.();
    wake = null;
  };

  channel.on('data', (piece: Buffer) => {
    queue.push(piece);
    queued += piece.length;
    if (queued >= readAheadBytes) channel.pause();
    go();
  });
  channel.once('exit', (told: unknown) => {
    if (typeof told === 'number') code = told;
  });
  channel.once('end', () => {
    over = true;
    go();
  });
  channel.once('close', () => {
    [over, closed] = [true, true];
    go();
  });
  channel.on('error', () => undefined);

  async function something(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        wake = null;
        reject(new VmFailure('stalled', `The machine said nothing for ${stallMs / 1_000} s.`));
      }, stallMs);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    next: async () => {
      while (queue.length === 0 && !over) await something();
      const piece = queue.shift();
      if (piece === undefined) return null;
      queued -= piece.length;
      if (queued < readAheadBytes / 2 && channel.isPaused()) channel.resume();
      return piece;
    },
    ended: async () => {
      while (!closed) await something();
      return { code, errors: said() };
    },
    close: () => channel.close(),
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
