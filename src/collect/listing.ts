// The result of a search: the files to download, and a count of the others. Kept as bytes, because there may be fifty
// thousand files on each of a hundred machines.
import { hash } from 'node:crypto';
import { countLeftBehind, isChosen, type LeftBehind, type LeftBehindCounter, type Sum } from './choose.ts';
import { VmFailure } from './failure.ts';
import { decodeName, isSafePath } from './names.ts';
import type { Choice } from './target.ts';

export type Listing = Sum & {
  /** The paths below the folder, each with `./` before it and a zero byte after it. */
  readonly names: Buffer;
  /** Changes with every name, size and time; the order does not matter. */
  readonly fingerprint: string;
  readonly leftBehind: LeftBehind;
};

export type ListingReader = {
  readonly take: (piece: Buffer) => void;
  readonly finish: () => Listing;
};

const HASH_BYTES = 32;
const ZERO = 0;

/** `take` throws a VmFailure when the list is too long. */
export function readListing(choice: Choice, limitBytes: number): ListingReader {
  let rest: Buffer = Buffer.alloc(0);
  let taken = 0;
  const names: Buffer[] = [];
  const combined = Buffer.alloc(HASH_BYTES);
  const chosen = { files: 0, bytes: 0 };
  const left = countLeftBehind();

  function takeRecord(record: Buffer): void {
    const found = readRecord(record);
    if (found === null) return;
    const path = decodeName(found.path);
    if (found.isLink || !isSafePath(found.path) || !isChosen(path, choice)) {
      left.add(path, found.isLink, found.isLink ? 0 : found.bytes);
      return;
    }
    chosen.files += 1;
    chosen.bytes += found.bytes;
    names.push(Buffer.concat([Buffer.from('./'), found.path, Buffer.of(ZERO)]));
    const own = hash('sha256', record, 'buffer');
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
    finish: () => finished(names, combined, chosen, left),
  };
}

function finished(names: Buffer[], combined: Buffer, chosen: Sum, left: LeftBehindCounter): Listing {
  return {
    ...chosen,
    names: Buffer.concat(names),
    fingerprint: hash('sha256', `${chosen.files} ${combined.toString('hex')}`),
    leftBehind: left.total(),
  };
}

type Found = { readonly isLink: boolean; readonly bytes: number; readonly path: Buffer };

/** `f 123 1764033000.1234 path`; null if it is something else. */
function readRecord(record: Buffer): Found | null {
  const { type, bytes } =
    /^(?<type>[fl]) (?<bytes>\d{1,15}) -?\d+(\.\d+)? /.exec(record.subarray(0, 80).toString('latin1'))
      ?.groups ?? {};
  if (type === undefined || bytes === undefined) return null;
  const second = record.indexOf(0x20, 2);
  const path = record.subarray(record.indexOf(0x20, second + 1) + 1);
  return { isLink: type === 'l', bytes: Number(bytes), path };
}

/** The paths of a listing, each character one byte. */
export function pathsOf({ names }: Listing): Set<string> {
  const texts = names.toString('latin1').split('\0');
  return new Set(texts.filter((text) => text !== '').map((text) => text.slice('./'.length)));
}
