// Which files are stored as they are: compressing what is compressed already costs time and saves nothing. Pure.
import { deflateRawSync } from 'node:zlib';
import { DEFLATE_LEVEL } from './archive.ts';
import { extensionOf } from './choose.ts';

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
