// The result of a search: the files to download, and a count of the others. Kept as bytes, because there may be fifty
// thousand files on each of a hundred machines.
import { hash } from 'node:crypto';
import { countLeftBehind, isChosen, type LeftBehind, type Sum } from './choose.ts';
import { oneLine, VmFailure } from './failure.ts';
import { decodeName, isSafePath } from './names.ts';
import type { Choice } from './target.ts';

export type Listing = Sum & {
  /** The paths below the folder, each with `./` before it and a zero byte after it. */
  readonly names: Buffer;
  /** Changes with every name, size and time; the order does not matter. */
  readonly fingerprint: string;
  readonly leftBehind: LeftBehind;
  /** Bytes of holes in the files. */
  readonly holeBytes: number;
  /** The paths of files with large holes, each character one byte. */
  readonly sparse: ReadonlySet<string>;
};

export type ListingReader = {
  readonly take: (piece: Buffer) => void;
  /** How many were taken. */
  readonly bytes: () => number;
  readonly finish: () => Listing;
};

const HASH_BYTES = 32;
const ZERO = 0;
const SPACE = 0x20;

/** `find` counts the disk in blocks of this size. */
const BLOCK_BYTES = 512;
/** A file with smaller holes is a file like any other. */
const LARGE_HOLE_BYTES = 1_048_576;
const SHOWN_CHARACTERS = 60;

/** `take` throws a VmFailure when the list is too long; `finish` does when it cannot be read. */
export function readListing(choice: Choice, limitBytes: number): ListingReader {
  let rest: Buffer = Buffer.alloc(0);
  let taken = 0;
  const names: Buffer[] = [];
  const combined = Buffer.alloc(HASH_BYTES);
  const chosen = { files: 0, bytes: 0, holeBytes: 0 };
  const sparse = new Set<string>();
  const left = countLeftBehind();
  let unreadable: Buffer | null = null;

  function takeRecord(record: Buffer): void {
    const found = readRecord(record);
    if (found === null) {
      unreadable ??= Buffer.from(record);
      return;
    }
    const path = decodeName(found.path);
    if (found.isLink || !isSafePath(found.path) || !isChosen(path, choice)) {
      left.add(path, found.isLink, found.isLink ? 0 : found.bytes);
      return;
    }
    chosen.files += 1;
    chosen.bytes += found.bytes;
    if (found.holeBytes >= LARGE_HOLE_BYTES) {
      chosen.holeBytes += found.holeBytes;
      sparse.add(found.path.toString('latin1'));
    }
    names.push(Buffer.concat([Buffer.from('./'), found.path, Buffer.of(ZERO)]));
    // Without the blocks: they may change when nothing in the file does.
    const own = hash('sha256', found.rest, 'buffer');
    for (let at = 0; at < HASH_BYTES; at++) combined[at] = (combined[at] ?? 0) ^ (own[at] ?? 0);
  }

  return {
    take: (piece) => {
      taken += piece.length;
      if (taken > limitBytes)
        throw new VmFailure('too_much', 'There are too many files: their list is too long.');
      let text = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      for (let end = text.indexOf(ZERO); end >= 0; end = text.indexOf(ZERO)) {
        takeRecord(text.subarray(0, end));
        text = text.subarray(end + 1);
      }
      rest = Buffer.from(text);
    },
    bytes: () => taken,
    finish: () => {
      if (rest.length > 0) unreadable ??= rest;
      if (unreadable !== null) throw unreadableList(unreadable);
      return {
        ...chosen,
        sparse,
        names: Buffer.concat(names),
        fingerprint: hash('sha256', `${chosen.files} ${combined.toString('hex')}`),
        leftBehind: left.total(),
      };
    },
  };
}

/** A record that was skipped would be a file that nobody misses. */
function unreadableList(record: Buffer): VmFailure {
  const shown = oneLine(decodeName(record).slice(0, SHOWN_CHARACTERS));
  return new VmFailure(
    'search_failed',
    `The list of files that the machine sent cannot be read at ${JSON.stringify(shown)}.`,
  );
}

type Found = {
  readonly isLink: boolean;
  readonly bytes: number;
  readonly holeBytes: number;
  readonly path: Buffer;
  /** The record without its blocks. */
  readonly rest: Buffer;
};

const RECORD = /^(?<blocks>\d{1,15}) (?<type>[fl]) (?<bytes>\d{1,15}) -?\d+(\.\d+)? /;

/** `8 f 123 1764033000.1234 path`; null if it is something else. */
function readRecord(record: Buffer): Found | null {
  const match = RECORD.exec(record.subarray(0, 100).toString('latin1'));
  const { blocks, type, bytes } = match?.groups ?? {};
  if (match === null || type === undefined) return null;
  return {
    isLink: type === 'l',
    bytes: Number(bytes),
    holeBytes: Number(bytes) - Number(blocks) * BLOCK_BYTES,
    path: record.subarray(match[0].length),
    rest: record.subarray(record.indexOf(SPACE) + 1),
  };
}

/** The paths of a listing, each character one byte. */
export function pathsOf({ names }: Listing): Set<string> {
  const texts = names.toString('latin1').split('\0');
  return new Set(texts.filter((text) => text !== '').map((text) => text.slice('./'.length)));
}
