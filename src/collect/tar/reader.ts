// A tar stream, entry by entry, pulled: nothing is read before somebody asks. What breaks off or makes no sense is a
// VmFailure; sizes are what headers say, and data is counted against them.
import { VmFailure } from '../failure.ts';
import { BLOCK_BYTES, readHeader, type Header } from './header.ts';

/** The next piece; null at the end. */
export type Pieces = () => Promise<Buffer | null>;

export type TarEntry = {
  readonly isFile: boolean;
  readonly name: Buffer;
  readonly bytes: number;
  readonly mode: number;
  readonly modified: Date;
};

export type TarReader = {
  /** The next entry, whatever was left of the one before; null at the end of the archive. */
  readonly next: () => Promise<TarEntry | null>;
  /** More of the entry's data; null after its last byte. */
  readonly data: Pieces;
};

/** Names and attributes of one entry; more is no name. */
const LONG_BYTES = 65_536;
const FILE = '0';

export function readTar(pieces: Pieces): TarReader {
  const source = createSource(pieces);
  let left = 0;
  let padding = 0;

  async function data(): Promise<Buffer | null> {
    if (left === 0) return null;
    const piece = await source.some(left);
    if (piece === null) throw cutOff();
    left -= piece.length;
    return piece;
  }

  async function pass(): Promise<void> {
    while ((await data()) !== null);
    if (padding > 0) await source.exactly(padding);
    padding = 0;
  }

  async function header(): Promise<Header | null> {
    await pass();
    const block = await source.exactly(BLOCK_BYTES);
    const read = readHeader(block);
    if (read === null)
      throw new VmFailure(
        'broken_stream',
        'The machine sent a broken archive: what should be a header is none.',
      );
    if (read === 'end') return null;
    left = read.bytes;
    padding = (BLOCK_BYTES - (read.bytes % BLOCK_BYTES)) % BLOCK_BYTES;
    return read;
  }

  async function long(bytes: number): Promise<Buffer> {
    if (bytes > LONG_BYTES)
      throw new VmFailure('broken_stream', 'The machine sent a broken archive: a name without end.');
    const text = await source.exactly(bytes);
    left = 0;
    return text;
  }

  return {
    data,
    next: async () => {
      let name: Buffer | null = null;
      for (;;) {
        const read = await header();
        if (read === null) return null;
        if (read.type === 'L') name = untilZero(await long(read.bytes));
        else if (read.type === 'x') name = pathIn(await long(read.bytes)) ?? name;
        else if (read.type === 'g' || read.type === 'K') await pass();
        else return entryOf(read, name ?? read.name);
      }
    },
  };
}

function entryOf({ type, bytes, mode, modifiedSeconds }: Header, name: Buffer): TarEntry {
  return { isFile: type === FILE, name, bytes, mode, modified: new Date(modifiedSeconds * 1_000) };
}

function untilZero(text: Buffer): Buffer {
  const end = text.indexOf(0);
  return end < 0 ? text : text.subarray(0, end);
}

/** POSIX attributes: `<length> path=<name>\n`, the length counting all of it. */
function pathIn(attributes: Buffer): Buffer | null {
  let rest = attributes;
  while (rest.length > 0) {
    const space = rest.indexOf(0x20);
    const length = Number(rest.toString('latin1', 0, Math.max(space, 0)));
    if (!Number.isInteger(length) || length <= space || length > rest.length) return null;
    const attribute = rest.subarray(space + 1, length - 1);
    if (attribute.toString('latin1', 0, 5) === 'path=') return attribute.subarray(5);
    rest = rest.subarray(length);
  }
  return null;
}

function cutOff(): VmFailure {
  return new VmFailure('connection_lost', 'The machine stopped sending before the end.');
}

/** Pieces in any size that is asked for. */
function createSource(pieces: Pieces) {
  let held: Buffer = Buffer.alloc(0);

  /** At most `max` bytes, at least one; null at the end. */
  async function some(max: number): Promise<Buffer | null> {
    if (held.length === 0) {
      const piece = await pieces();
      if (piece === null) return null;
      held = piece;
      if (held.length === 0) return some(max);
    }
    const taken = held.subarray(0, max);
    held = held.subarray(taken.length);
    return taken;
  }

  async function exactly(bytes: number): Promise<Buffer> {
    if (held.length >= bytes) return (await some(bytes)) ?? Buffer.alloc(0);
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0;) {
      const part = await some(missing);
      if (part === null) throw cutOff();
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  return { some, exactly };
}
