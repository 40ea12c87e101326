// Formats that are compressed already: packing them again costs time and saves nothing. Pure.
import { extensionOf } from './choose.ts';

const COMPRESSED: ReadonlySet<string> = new Set(
  (
    'zip gz tgz bz2 xz zst 7z rar jpg jpeg png gif webp heic mp4 m4v mov avi mkv webm mp3 ogg flac m4a ' +
    'slp h5 hdf5 npz parquet pkg docx xlsx pptx odt ods odp whl jar pdf'
  ).split(' '),
);

export function isCompressed(path: string): boolean {
  return COMPRESSED.has(extensionOf(path));
}
