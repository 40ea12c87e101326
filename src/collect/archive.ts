// The zip while it is made. archiver writes it, one file after the other, and is given no more than the client reads:
// what it holds back itself stays small, because it is never sent anything that the client has no room for.
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { ZipArchive } from 'archiver';
import { Mutex } from 'async-mutex';

export type ArchivedFile = {
  /** Its path in the archive, with `/`. */
  readonly name: string;
  readonly modified: Date;
  /** Unix permission bits. */
  readonly mode: number;
  /** Whether to store it as it is instead of compressing it. */
  readonly stored: boolean;
};

/** A whole file, or its pieces. */
type Content = Buffer | Iterable<Buffer> | AsyncIterable<Buffer>;

export type Archive = {
  /** What the client reads. */
  readonly stream: Readable;
  /**
   * Adds a file, after the files that were added before. Its content is taken as fast as the client reads, and must not end
   * with an error. Rejects with ArchiveClosed when the client has stopped reading.
   */
  readonly add: (file: ArchivedFile, content: Content) => Promise<void>;
  /** Writes the directory of the archive and ends it. */
  readonly finish: () => Promise<void>;
  /** Breaks the archive off, so that the client notices. */
  readonly fail: (error: Error) => void;
};

/** The client has stopped reading. */
export class ArchiveClosed extends Error {}

/** As much is made before the client has read it. */
const AHEAD_BYTES = 1_048_576;
/** archiver writes a header in a dozen pieces: small pieces are joined up to this size. */
const JOINED_BYTES = 65_536;
/** Larger pieces are passed on as they are: joining would copy them. */
const SMALL_BYTES = 16_384;
/** Fast and good enough: the network is slower. */
export const DEFLATE_LEVEL = 1;

/** @param onStart called when the client begins to read. @param onClosed called once, when it has read all or has left. */
export function createArchive(onStart: () => void, onClosed: () => void): Archive {
  const zip = new ZipArchive({ zlib: { level: DEFLATE_LEVEL } });
  const closed = new AbortController();
  const output = createOutput(onStart, () => {
    closed.abort();
    zip.destroy();
    onClosed();
  });
  const oneAtATime = new Mutex();
  zip.on('data', output.push);
  zip.on('error', (error) => void output.stream.destroy(error));

  async function append(file: ArchivedFile, content: Content): Promise<void> {
    await output.room();
    const source = Buffer.isBuffer(content) ? content : readableOf(content, output.room);
    const { name, modified: date, mode, stored: store } = file;
    const added = once(zip, 'entry', { signal: closed.signal });
    zip.append(source, { name, date, mode, store });
    try {
      await added;
    } catch (cause) {
      throw new ArchiveClosed('the archive is not read any more', { cause });
    }
  }

  return {
    stream: output.stream,
    add: (file, content) => oneAtATime.runExclusive(() => append(file, content)),
    finish: async () => {
      await output.room();
      const ended = once(zip, 'end', { signal: closed.signal });
      await Promise.all([zip.finalize(), ended]);
      output.end();
    },
    fail: (error) => void output.stream.destroy(error),
  };
}

/** archiver cannot recover from an error of a stream that it was given: this one ends instead. */
function readableOf(content: Exclude<Content, Buffer>, room: () => Promise<void>): Readable {
  async function* paced(): AsyncGenerator<Buffer> {
    for await (const piece of content) {
      await room();
      yield piece;
    }
  }
  return Readable.from(paced(), { objectMode: false }).on('error', () => undefined);
}

type Output = {
  readonly stream: Readable;
  /** Takes a piece; the caller waits for `room` before it makes one. */
  readonly push: (piece: Buffer) => void;
  /** Resolves when the client has room for more. Rejects with ArchiveClosed when it has stopped reading. */
  readonly room: () => Promise<void>;
  readonly end: () => void;
};

function createOutput(onStart: () => void, onClosed: () => void): Output {
  let isStarted = false;
  let wake: (() => void) | null = null;
  let joined: Buffer[] = [];
  let joinedBytes = 0;
  const stream = new Readable({
    highWaterMark: AHEAD_BYTES,
    read: () => {
      wake?.();
      if (isStarted) return;
      isStarted = true;
      onStart();
    },
    destroy: (error, done) => {
      onClosed();
      wake?.();
      done(error);
    },
  });
  function flush(): void {
    if (joinedBytes > 0) stream.push(Buffer.concat(joined, joinedBytes));
    [joined, joinedBytes] = [[], 0];
  }
  return {
    stream,
    push: (piece) => {
      if (piece.length > SMALL_BYTES) {
        flush();
        stream.push(piece);
        return;
      }
      joined.push(piece);
      joinedBytes += piece.length;
      if (joinedBytes >= JOINED_BYTES) flush();
    },
    room: async () => {
      while (!stream.destroyed && stream.readableLength >= AHEAD_BYTES)
        await new Promise<void>((resolve) => (wake = resolve));
      if (stream.destroyed) throw new ArchiveClosed('the archive is not read any more');
    },
    end: () => {
      flush();
      stream.push(null);
    },
  };
}
