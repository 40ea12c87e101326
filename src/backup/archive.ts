// The file format of a backup: a tar, compressed with zstd, encrypted with age. `age -d FILE | zstd -d | tar x` opens it without this
// program. Streams, and holds no more than one entry at a time.
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { Decrypter, Encrypter } from 'age-encryption';
import { extract as tarExtract, pack as tarPack, type Header, type Pack } from 'tar-stream';
import { BackupFault, damaged, unopenable } from './fault.ts';

/** A name, and not more than `MAX_ENTRY_BYTES`, which are there. */
export type ArchiveEntry = { readonly name: string; readonly data: readonly Uint8Array[] };

/** One that is being read: its data, in pieces, must be read to the end before the next one comes. */
export type ReadEntry = { readonly name: string; readonly pieces: AsyncIterable<Uint8Array> };

export const MAX_ENTRY_BYTES = 64 * 1024 * 1024;
/** 2^15: 32 MB and a quarter of a second for each guess of the passphrase. The default of age would take 256 MB. */
const SCRYPT_LOG_N = 15;
/** Logs shrink to a tenth at 300 MB/s; higher levels gain little. */
const ZSTD_LEVEL = 1;
/** The default of 16 KiB costs twice the time: each piece goes through the thread pool. */
const ZSTD_CHUNK_BYTES = 262_144;
const MODE = 0o600;

/** Writes the entries to `out`, and ends it. */
export async function writeArchive(
  entries: AsyncIterable<ArchiveEntry>,
  passphrase: string,
  out: Writable,
  signal?: AbortSignal,
): Promise<void> {
  const pack = tarPack();
  const packing = packAll(pack, entries);
  // A failure destroys the pack, and with it the pipeline.
  packing.catch((error: unknown) => pack.destroy(error instanceof Error ? error : new Error(String(error))));
  await pipeline(
    pack,
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }),
    async function* encrypt(plain: AsyncIterable<Uint8Array>) {
      const encrypter = new Encrypter();
      encrypter.setPassphrase(passphrase);
      encrypter.setScryptWorkFactor(SCRYPT_LOG_N);
      yield* await encrypter.encrypt(ReadableStream.from(plain));
    },
    out,
    ...(signal ? [{ signal }] : []),
  );
  await packing;
}

async function packAll(pack: Pack, entries: AsyncIterable<ArchiveEntry>): Promise<void> {
  for await (const { name, data } of entries) {
    const size = data.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const entry = pack.entry({ name, size, mode: MODE, mtime: new Date(0) });
    // Ends when all of it was taken: nothing piles up. Joined, it would be twice the memory to collect.
    await pipeline(data, entry);
  }
  pack.finalize();
}

/** The entries, in order, as they come: joined pieces would be twice the memory to collect. Throws BackupFault where the file is not whole, not genuine, or not opened by the passphrase. */
export async function* readArchive(input: Readable, passphrase: string): AsyncGenerator<ReadEntry, void> {
  const extract = tarExtract();
  const running = pipeline(
    input,
    async function* decrypt(sealed: AsyncIterable<Uint8Array>) {
      const decrypter = new Decrypter();
      decrypter.addPassphrase(passphrase);
      const plain = await decrypter.decrypt(ReadableStream.from(sealed)).catch((error: unknown) => {
        throw unopenable(error);
      });
      yield* plain;
    },
    createZstdDecompress({ chunkSize: ZSTD_CHUNK_BYTES }),
    extract,
  );
  running.catch(() => undefined);
  try {
    for await (const entry of extract) yield entryOf(entry, running);
    await running;
  } catch (error) {
    throw await faultOf(error, running);
  } finally {
    input.destroy();
    extract.destroy();
    await running.catch(() => undefined);
  }
}

function entryOf(
  entry: AsyncIterable<unknown> & { readonly header: Header },
  running: Promise<void>,
): ReadEntry {
  const { name, size } = entry.header;
  if (size > MAX_ENTRY_BYTES) throw damaged(`${name} is too large`);
  return { name, pieces: piecesOf(entry, running) };
}

async function* piecesOf(entry: AsyncIterable<unknown>, running: Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of entry) if (piece instanceof Uint8Array) yield piece;
  } catch (error) {
    throw await faultOf(error, running);
  }
}

export type WholeEntry = { readonly name: string; readonly data: Uint8Array };

export async function wholeOf({ name, pieces }: ReadEntry): Promise<WholeEntry> {
  const held: Uint8Array[] = [];
  for await (const piece of pieces) held.push(piece);
  return { name, data: Buffer.concat(held) };
}

/** The first cause is that of the pipeline: what reads its end sees only that it closed. */
async function faultOf(error: unknown, running: Promise<void>): Promise<unknown> {
  const cause: unknown = await running.then(
    () => error,
    (first: unknown) => first,
  );
  if (error instanceof BackupFault || cause instanceof BackupFault)
    return error instanceof BackupFault ? error : cause;
  return damaged('its content could not be read to the end', cause);
}
