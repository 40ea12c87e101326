// One header of a tar stream: ustar as GNU tar writes it. Pure; believes nothing whose sum is wrong.

export const BLOCK_BYTES = 512;

export type Header = {
  /** `0` a file, `L` a long name, `x` and `g` POSIX attributes, others what cannot be carried. */
  readonly type: string;
  readonly name: Buffer;
  readonly bytes: number;
  readonly mode: number;
  readonly modifiedSeconds: number;
};

const NAME = { at: 0, bytes: 100 };
const MODE = { at: 100, bytes: 8 };
const SIZE = { at: 124, bytes: 12 };
const MODIFIED = { at: 136, bytes: 12 };
const CHECKSUM = { at: 148, bytes: 8 };
const TYPE_AT = 156;
const MAGIC_AT = 257;
const PREFIX = { at: 345, bytes: 155 };
const SPACE = 0x20;
const BINARY = 0x80;

type Field = { readonly at: number; readonly bytes: number };

/** `end`: a block of zeros; null: no header. */
export function readHeader(block: Buffer): Header | 'end' | null {
  const checksum = numberIn(block, CHECKSUM);
  const sum = sumOf(block);
  if (sum === SPACE * CHECKSUM.bytes && checksum === 0) return 'end';
  const [bytes, mode, modified] = [numberIn(block, SIZE), numberIn(block, MODE), numberIn(block, MODIFIED)];
  if (checksum !== sum || bytes === null || bytes < 0) return null;
  const type = block.toString('latin1', TYPE_AT, TYPE_AT + 1);
  return {
    type: type === '\0' || type === '7' ? '0' : type,
    name: nameIn(block),
    bytes,
    mode: mode ?? 0,
    modifiedSeconds: modified ?? 0,
  };
}

/** Of all bytes, those of the sum itself taken as spaces. */
function sumOf(block: Buffer): number {
  let sum = SPACE * CHECKSUM.bytes;
  for (let at = 0; at < BLOCK_BYTES; at++) sum += block[at] ?? 0;
  for (let at = CHECKSUM.at; at < CHECKSUM.at + CHECKSUM.bytes; at++) sum -= block[at] ?? 0;
  return sum;
}

/** Octal digits, or, with the first bit set, a binary number; null where it is neither or too large. */
function numberIn(block: Buffer, { at, bytes }: Field): number | null {
  const field = block.subarray(at, at + bytes);
  const [first = 0] = field;
  if ((first & BINARY) !== 0) {
    if (first !== BINARY || field.subarray(1, bytes - 6).some((byte) => byte !== 0)) return null;
    return field.readUIntBE(bytes - 6, 6);
  }
  const text = textIn(field).toString('latin1').trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : null;
}

/** POSIX splits long names in two; GNU has other things in the place of the first half. */
function nameIn(block: Buffer): Buffer {
  const name = textIn(block.subarray(NAME.at, NAME.at + NAME.bytes));
  if (block.toString('latin1', MAGIC_AT, MAGIC_AT + 6) !== 'ustar\0') return name;
  const prefix = textIn(block.subarray(PREFIX.at, PREFIX.at + PREFIX.bytes));
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

function textIn(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}
