// The records of a ZIP file (APPNOTE 6.3): local headers, data descriptors, the central directory, with ZIP64 where
// sizes or counts ask for it. Pure; knows no stream.
import { extraField, fields } from './bytes.ts';

export const STORED = 0;
export const DEFLATED = 8;

export type EntryHead = {
  /** Path in the archive, with `/`. */
  readonly name: string;
  readonly modified: Date;
  /** Unix permission bits. */
  readonly mode: number;
  readonly method: typeof STORED | typeof DEFLATED;
  /** Of 4 GiB or more: its sizes take eight bytes. Decided before the first byte, from the size that was announced. */
  readonly large: boolean;
};

export type EntrySizes = {
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
};

export const FOUR_BYTES_MAX = 0xffff_ffff;
export const TWO_BYTES_MAX = 0xffff;

const ZIP64_ID = 0x0001;
const TIMES_ID = 0x5455;
/** Ours: a second header for the same data, under the name that tells that it was cut. */
const SECOND_HEADER_ID = 0x4c4c;
const VERSION_ZIP64 = 45;
const VERSION_PLAIN = 20;
const MADE_ON_UNIX = 3 << 8;
const REGULAR_FILE = 0o100000;
const SIZES_FOLLOW = 0x0008;
const NAME_IS_UTF8 = 0x0800;

/** `sizes`: null where they are told after the data. `inner` is carried as an extra field, right before the data. */
export function localHeader(head: EntryHead, sizes: EntrySizes | null, inner: Buffer | null = null): Buffer {
  const name = Buffer.from(head.name);
  const zip64 = head.large
    ? extraField(ZIP64_ID, fields([8, sizes?.bytes ?? 0], [8, sizes?.packedBytes ?? 0]))
    : Buffer.alloc(0);
  const second = inner === null ? Buffer.alloc(0) : extraField(SECOND_HEADER_ID, inner);
  const extra = Buffer.concat([zip64, timesField(head.modified), second]);
  const [time, date] = dosTime(head.modified);
  const shown = (bytes: number): number => (head.large ? FOUR_BYTES_MAX : bytes);
  return Buffer.concat([
    fields(
      [4, 0x0403_4b50],
      [2, versionOf(head.large)],
      [2, flagsOf(sizes !== null)],
      [2, head.method],
      [2, time],
      [2, date],
      [4, sizes?.crc ?? 0],
      [4, shown(sizes?.packedBytes ?? 0)],
      [4, shown(sizes?.bytes ?? 0)],
      [2, name.length],
      [2, extra.length],
    ),
    name,
    extra,
  ]);
}

/** What follows the data where the header could not tell it. */
export function dataDescriptor({ large }: EntryHead, { crc, packedBytes, bytes }: EntrySizes): Buffer {
  const size = large ? 8 : 4;
  return fields([4, 0x0807_4b50], [4, crc], [size, packedBytes], [size, bytes]);
}

/** The entry in the central directory. `sizesInHeader`: whether its local header told them. */
export function centralEntry(
  head: EntryHead,
  sizes: EntrySizes,
  offset: number,
  sizesInHeader: boolean,
): Buffer {
  const name = Buffer.from(head.name);
  const isLarge = head.large || sizes.bytes >= FOUR_BYTES_MAX || sizes.packedBytes >= FOUR_BYTES_MAX;
  const isFar = offset >= FOUR_BYTES_MAX;
  const long = [...(isLarge ? [sizes.bytes, sizes.packedBytes] : []), ...(isFar ? [offset] : [])];
  const zip64 =
    long.length === 0
      ? Buffer.alloc(0)
      : extraField(ZIP64_ID, fields(...long.map((value): [8, number] => [8, value])));
  const extra = Buffer.concat([zip64, timesField(head.modified)]);
  const [time, date] = dosTime(head.modified);
  const version = versionOf(isLarge || isFar);
  return Buffer.concat([
    fields(
      [4, 0x0201_4b50],
      [2, MADE_ON_UNIX | version],
      [2, version],
      [2, flagsOf(sizesInHeader)],
      [2, head.method],
      [2, time],
      [2, date],
      [4, sizes.crc],
      [4, isLarge ? FOUR_BYTES_MAX : sizes.packedBytes],
      [4, isLarge ? FOUR_BYTES_MAX : sizes.bytes],
      [2, name.length],
      [2, extra.length],
      [2, 0],
      [2, 0],
      [2, 0],
      [4, ((REGULAR_FILE | head.mode) * 0x1_0000) >>> 0],
      [4, isFar ? FOUR_BYTES_MAX : offset],
    ),
    name,
    extra,
  ]);
}

/** What ends the archive; with ZIP64's records before it where counts or offsets are too large. */
export function endOfDirectory(entries: number, directoryBytes: number, directoryOffset: number): Buffer {
  const end = fields(
    [4, 0x0605_4b50],
    [2, 0],
    [2, 0],
    [2, Math.min(entries, TWO_BYTES_MAX)],
    [2, Math.min(entries, TWO_BYTES_MAX)],
    [4, Math.min(directoryBytes, FOUR_BYTES_MAX)],
    [4, Math.min(directoryOffset, FOUR_BYTES_MAX)],
    [2, 0],
  );
  const fits = entries < TWO_BYTES_MAX && directoryBytes < FOUR_BYTES_MAX && directoryOffset < FOUR_BYTES_MAX;
  if (fits) return end;
  const record = fields(
    [4, 0x0606_4b50],
    [8, 44],
    [2, MADE_ON_UNIX | VERSION_ZIP64],
    [2, VERSION_ZIP64],
    [4, 0],
    [4, 0],
    [8, entries],
    [8, entries],
    [8, directoryBytes],
    [8, directoryOffset],
  );
  const locator = fields([4, 0x0706_4b50], [4, 0], [8, directoryOffset + directoryBytes], [4, 1]);
  return Buffer.concat([record, locator, end]);
}

function versionOf(zip64: boolean): number {
  return zip64 ? VERSION_ZIP64 : VERSION_PLAIN;
}

function flagsOf(sizesInHeader: boolean): number {
  return NAME_IS_UTF8 | (sizesInHeader ? 0 : SIZES_FOLLOW);
}

/** Seconds since 1970 in UTC, which DOS times know nothing of; what does not fit is left to them. */
function timesField(modified: Date): Buffer {
  const seconds = Math.floor(modified.getTime() / 1_000);
  if (seconds < 0 || seconds > 0x7fff_ffff) return Buffer.alloc(0);
  return extraField(TIMES_ID, Buffer.concat([Buffer.of(1), fields([4, seconds])]));
}

/** In UTC; from 1980 to 2107. */
function dosTime(modified: Date): readonly [time: number, date: number] {
  const year = modified.getUTCFullYear();
  if (!(year >= 1980)) return [0, (1 << 5) | 1];
  if (year > 2107) return [0, (127 << 9) | (12 << 5) | 31];
  const time =
    (modified.getUTCHours() << 11) | (modified.getUTCMinutes() << 5) | (modified.getUTCSeconds() >> 1);
  const date = ((year - 1980) << 9) | ((modified.getUTCMonth() + 1) << 5) | modified.getUTCDate();
  return [time, date];
}
