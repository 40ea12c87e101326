// The files of a machine, as its tar stream brings them. tar-stream finds wrong headers and sizes; here that becomes a
// VmFailure. The machine is read only as fast as the files are taken.
import { setImmediate } from 'node:timers/promises';
import { extract, type Extract } from 'tar-stream';
import { asFailure, VmFailure } from './failure.ts';

export type TarEntry = {
  readonly isFile: boolean;
  /** Each character stands for one byte: names on a machine are bytes, not text. */
  readonly path: string;
  readonly bytes: number;
  readonly mode: number;
  readonly modified: Date;
  /** Its data; may be left unread. Rejects with a VmFailure. */
  readonly data: AsyncIterator<Buffer, void>;
};

/** Latin-1 keeps every byte of a name. */
const OPTIONS = { filenameEncoding: 'latin1', highWaterMark: 65_536 };

/**
 * The entries of a tar stream, one at a time. Rejects with a VmFailure, after everything that came was read.
 *
 * @param next the next piece of the stream; null at its end. It may reject with a VmFailure, which is passed on.
 */
export async function* readTar(next: () => Promise<Buffer | null>): AsyncGenerator<TarEntry, void> {
  const tar = extract(OPTIONS);
  const source: Source = { end: null, onEnd: () => undefined };
  void feed(tar, next, source);
  try {
    for await (const entry of untilStarved(tar, source)) {
      yield entryOf(entry, source);
      entry.resume();
    }
  } catch (error) {
    throw tarFailure(error);
  }
}

type Source = {
  /** Ends the tar stream; known once all pieces were written. */
  end: (() => void) | null;
  onEnd: () => void;
};

/** Never rejects: what goes wrong ends the reading of the tar stream with that error. */
async function feed(tar: Extract, next: () => Promise<Buffer | null>, source: Source): Promise<void> {
  try {
    for (let piece = await next(); piece !== null; piece = await next()) {
      if (tar.destroyed) return;
      if (!tar.write(piece)) await drained(tar);
    }
    source.end = () => tar.end(null);
  } catch (error) {
    source.end = () => tar.destroy(asFailure(error));
  }
  source.onEnd();
}

/**
 * What the stream has. A tar stream that ends too early drops what was not read yet, so it is ended only when the reader waits
 * for more; what is there arrives before an immediate.
 */
async function* untilStarved<T>(stream: AsyncIterable<T>, source: Source): AsyncGenerator<T, void> {
  const items = stream[Symbol.asyncIterator]();
  const take = async (): Promise<IteratorResult<T, unknown>> => {
    const item = items.next();
    const starved = new Promise<void>((resolve) => {
      source.onEnd = resolve;
      if (source.end !== null) resolve();
    }).then(() => setImmediate());
    const isStarved = await Promise.race([item.then(() => false), starved.then(() => true)]);
    if (isStarved) source.end?.();
    return item;
  };
  try {
    for (let item = await take(); item.done !== true; item = await take()) yield item.value;
  } finally {
    await items.return?.();
  }
}

function drained(tar: Extract): Promise<void> {
  return new Promise<void>((resolve) => {
    const done = (): void => {
      tar.off('drain', done);
      tar.off('close', done);
      resolve();
    };
    tar.on('drain', done);
    tar.on('close', done);
  });
}

type Entry = Extract extends AsyncIterable<infer Item> ? Item : never;

function entryOf(entry: Entry, source: Source): TarEntry {
  const { type, name, size, mode, mtime } = entry.header;
  return {
    isFile: type === 'file' || type === 'contiguous-file',
    path: name,
    bytes: size,
    mode: Number.isNaN(mode) ? 0 : mode,
    // A number that is no time would break the manifest.
    modified: Number.isNaN(mtime.getTime()) ? new Date(0) : mtime,
    data: dataOf(entry, source),
  };
}

async function* dataOf(entry: Entry, source: Source): AsyncGenerator<Buffer, void> {
  try {
    for await (const piece of untilStarved(entry, source)) if (Buffer.isBuffer(piece)) yield piece;
  } catch (error) {
    throw tarFailure(error);
  }
}

/** GNU tar's own words, in the C locale; it writes names as C writes texts. */
const CHANGED =
  /^(?:\S*\/)?tar: (?:\.\/)?(?<path>.+): (?:file changed as we read it|File shrank by \d+ bytes)/gm;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  a: '\x07',
  f: '\f',
  v: '\v',
};

/** The paths of files that were written to while tar read them, each character one byte. @param errors its error output */
export function changedFiles(errors: string): ReadonlySet<string> {
  const unescaped = (path: string): string =>
    path.replaceAll(
      /\\(?:(?<octal>[0-7]{3})|(?<letter>.))/g,
      (_, octal: string | undefined, letter: string) =>
        octal === undefined ? (ESCAPES[letter] ?? letter) : String.fromCharCode(parseInt(octal, 8)),
    );
  return new Set(Array.from(errors.matchAll(CHANGED), ({ groups }) => unescaped(groups?.['path'] ?? '')));
}

/** tar-stream has no codes: this is the one place that knows its words. */
function tarFailure(error: unknown): VmFailure {
  if (error instanceof VmFailure) return error;
  if (error instanceof Error && error.message === 'Unexpected end of data')
    return new VmFailure('connection_lost', 'The machine stopped sending before the end.', { cause: error });
  return new VmFailure('broken_stream', 'The machine sent something that is not a tar archive.', {
    cause: error,
  });
}
