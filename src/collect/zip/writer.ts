// An archive in the making: entries one after the other, small ones whole, large ones as they come. An entry that turns
// out to be cut short gets another name, although its header was sent long before: every streamed entry carries a second
// header with that name, right before its data, and the directory at the end points at the one that is true.
import { crc32 } from 'node:zlib';
import { asItIs, createDeflater, deflateWhole, type Packer } from './deflate.ts';
import type { ZipOutput } from './output.ts';
import {
  centralEntry,
  dataDescriptor,
  DEFLATED,
  endOfDirectory,
  localHeader,
  STORED,
  type EntryHead,
  type EntrySizes,
} from './records.ts';

export type Entry = { readonly name: string; readonly modified: Date; readonly mode: number };

export type StreamedEntry = {
  readonly write: (piece: Buffer) => Promise<void>;
  /** All of it has come. */
  readonly finish: () => Promise<void>;
  /** No more of it will come: it stays under the name that says so. */
  readonly cut: () => Promise<void>;
};

export type ZipWriter = {
  /** @param packed whether to make it smaller, where that is worth it. */
  readonly addWhole: (entry: Entry, content: Buffer, packed: boolean) => Promise<void>;
  /**
   * Nobody else can add anything until it is finished or cut.
   * @param announcedBytes decides whether sizes are written with eight bytes.
   */
  readonly begin: (
    entry: Entry & { readonly cutName: string; readonly announcedBytes: number; readonly packed: boolean },
  ) => Promise<StreamedEntry>;
  /** Writes the directory; the output is ended by whoever made it. */
  readonly finish: () => Promise<void>;
};

/** From here on eight bytes, so that a file that grew, or packs badly, still fits. */
const LARGE_BYTES = 0xffff_ffff - 0x0400_0000;

type Counts = { crc: number; packedBytes: number; bytes: number };

export function createZipWriter(output: ZipOutput): ZipWriter {
  const directory: Buffer[] = [];
  const lock = createLock();

  async function addWhole(entry: Entry, content: Buffer, packed: boolean): Promise<void> {
    const smaller = packed ? await deflateWhole(content) : null;
    const data = smaller ?? content;
    const sizes = { crc: crc32(content), packedBytes: data.length, bytes: content.length };
    const head = { ...headOf(entry), method: smaller ? DEFLATED : STORED, large: false } as const;
    const release = await lock();
    try {
      directory.push(centralEntry(head, sizes, output.position(), true));
      await output.write(localHeader(head, sizes));
      await output.write(data);
    } finally {
      release();
    }
  }

  return {
    addWhole,
    begin: async (entry) => {
      const release = await lock();
      try {
        return await beginStreamed(output, directory, entry, release);
      } catch (error) {
        release();
        throw error;
      }
    },
    finish: async () => {
      const release = await lock();
      try {
        const offset = output.position();
        for (const record of directory) await output.write(record);
        await output.write(endOfDirectory(directory.length, output.position() - offset, offset));
      } finally {
        release();
      }
    },
  };
}

function headOf({ name, modified, mode }: Entry): Entry {
  return { name, modified, mode };
}

async function beginStreamed(
  output: ZipOutput,
  directory: Buffer[],
  entry: Parameters<ZipWriter['begin']>[0],
  release: () => void,
): Promise<StreamedEntry> {
  const large = entry.announcedBytes >= LARGE_BYTES;
  const head: EntryHead = { ...headOf(entry), method: entry.packed ? DEFLATED : STORED, large };
  const cutHead: EntryHead = { ...head, name: entry.cutName };
  const inner = localHeader(cutHead, null);
  const outer = localHeader(head, null, inner);
  const offset = output.position();
  const innerOffset = offset + outer.length - inner.length;
  await output.write(outer);
  const packer = entry.packed ? createDeflater() : asItIs;
  const counts: Counts = { crc: 0, packedBytes: 0, bytes: 0 };

  const close = async (shown: EntryHead, at: number): Promise<void> => {
    try {
      await writeAll(output, await packer.finish(), counts);
      const sizes: EntrySizes = { ...counts };
      directory.push(centralEntry(shown, sizes, at, false));
      await output.write(dataDescriptor(head, sizes));
    } finally {
      packer.close();
      release();
    }
  };
  return {
    write: (piece) => writePiece(output, packer, counts, piece),
    finish: () => close(head, offset),
    cut: () => close(cutHead, innerOffset),
  };
}

async function writePiece(output: ZipOutput, packer: Packer, counts: Counts, piece: Buffer): Promise<void> {
  counts.crc = crc32(piece, counts.crc);
  counts.bytes += piece.length;
  await writeAll(output, await packer.pack(piece), counts);
}

async function writeAll(output: ZipOutput, pieces: readonly Buffer[], counts: Counts): Promise<void> {
  for (const piece of pieces) {
    counts.packedBytes += piece.length;
    await output.write(piece);
  }
}

/** Whoever asks first has it first. */
function createLock(): () => Promise<() => void> {
  let last: Promise<void> = Promise.resolve();
  return async () => {
    const mine = Promise.withResolvers<undefined>();
    const before = last;
    last = mine.promise;
    await before;
    return () => mine.resolve(undefined);
  };
}
