// What is compressed: in the archive all but what is compressed already, which costs time and saves nothing; on the way from a
// machine only what consists mostly of holes.
import { pipeline } from 'node:stream/promises';
import { createGunzip, deflateRawSync } from 'node:zlib';
import { DEFLATE_LEVEL } from './archive.ts';
import { extensionOf } from './choose.ts';
import { VmFailure } from './failure.ts';
import type { Listing } from './listing.ts';

const COMPRESSED: ReadonlySet<string> = new Set(
  (
    'zip gz tgz bz2 xz zst 7z rar jpg jpeg png gif webp heic mp4 m4v mov avi mkv webm mp3 ogg flac m4a ' +
    'slp h5 hdf5 npz parquet pkg docx xlsx pptx odt ods odp whl jar pdf'
  ).split(' '),
);
/** This much of a file is compressed to find out whether it gets smaller. */
const PROBE_BYTES = 32_768;
/** It counts as smaller below this share of its size. */
const WORTH_IT = 0.9;

/** By the name, then by trying: what is compressed already does not get smaller, whatever its name is. */
export function isStored(name: string, beginning: Buffer): boolean {
  if (COMPRESSED.has(extensionOf(name))) return true;
  const probe = beginning.subarray(0, PROBE_BYTES);
  return deflateRawSync(probe, { level: DEFLATE_LEVEL }).length >= probe.length * WORTH_IT;
}

/** Smaller holes than this are not worth the machine's time. */
const HOLES_WORTH_IT_BYTES = 16_777_216;

/** Whether a machine compresses its files on the way: holes then cost nothing. */
export function isMostlyHoles({ bytes, holeBytes }: Pick<Listing, 'bytes' | 'holeBytes'>): boolean {
  return holeBytes >= HOLES_WORTH_IT_BYTES && holeBytes >= bytes / 2;
}

type Next = () => Promise<Buffer | null>;

/** Reads what gzip has compressed. Rejects with what `next` rejects with, or with a VmFailure. */
export function unzipped(next: Next): Next {
  const gunzip = createGunzip();
  // Its error ends the reading.
  pipeline(async function* () {
    for (let piece = await next(); piece !== null; piece = await next()) yield piece;
  }, gunzip).catch(() => undefined);
  const pieces: AsyncIterator<unknown, unknown> = gunzip[Symbol.asyncIterator]();
  return async () => {
    try {
      const { value: piece } = await pieces.next();
      return Buffer.isBuffer(piece) ? piece : null;
    } catch (error) {
      throw zipFailure(error);
    }
  };
}

function zipFailure(cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_'))) return cause;
  return cause.code === 'Z_BUF_ERROR'
    ? new VmFailure('connection_lost', 'The machine stopped sending before the end.', { cause })
    : new VmFailure('broken_stream', 'The machine sent something that gzip did not write.', { cause });
}
