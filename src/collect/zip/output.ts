// Where the archive comes out: a Readable whose reader sets the pace. Small pieces are sent together.
import { Readable } from 'node:stream';

export type ZipOutput = {
  readonly stream: Readable;
  /** Bytes written so far. */
  readonly position: () => number;
  /** Resolves when there is room for more; rejects once nobody reads any more. */
  readonly write: (piece: Buffer) => Promise<void>;
  readonly end: () => void;
  /** The reader is told that the archive ends here, broken. */
  readonly fail: (error: Error) => void;
};

/** As much waits for the reader. */
const WAITING_BYTES = 1_048_576;
/** Smaller pieces are put together up to this. */
const TOGETHER_BYTES = 65_536;

/** @param onStart called when somebody begins to read. @param onClosed called once, when reading has ended or was given up. */
export function createZipOutput(onStart: () => void, onClosed: () => void): ZipOutput {
  let wake: (() => void) | null = null;
  let started = false;
  let written = 0;
  let pieces: Buffer[] = [];
  let pending = 0;

  const go = (): void => {
    wake?.();
    wake = null;
  };
  const stream = new Readable({
    highWaterMark: WAITING_BYTES,
    read: () => {
      go();
      if (started) return;
      started = true;
      onStart();
    },
    destroy: (error, done) => {
      go();
      onClosed();
      done(error);
    },
  });
  const flush = (): boolean => {
    if (pending === 0) return true;
    const [only = Buffer.alloc(0)] = pieces;
    const together = pieces.length === 1 ? only : Buffer.concat(pieces, pending);
    [pieces, pending] = [[], 0];
    return stream.push(together);
  };

  return {
    stream,
    position: () => written,
    write: async (piece) => {
      assertRead(stream);
      written += piece.length;
      pieces.push(piece);
      pending += piece.length;
      if (pending < TOGETHER_BYTES && piece.length < TOGETHER_BYTES / 4) return;
      if (flush()) return;
      await new Promise<void>((resolve) => (wake = resolve));
      assertRead(stream);
    },
    end: () => {
      flush();
      stream.push(null);
    },
    fail: (error) => void stream.destroy(error),
  };
}

function assertRead({ destroyed }: Readable): void {
  if (destroyed) throw new Error('nobody reads the archive any more');
}
