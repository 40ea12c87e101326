// Bytes of a log file -> messages: one per line, long lines in pieces, each with an id that contains its position. The same
// bytes at the same position give the same messages, however often they are read. Pure.

export type LogMessage = { readonly text: string; readonly id: string };
export type CutMessages = {
  readonly messages: readonly LogMessage[];
  /** How many of the bytes are in the messages. */
  readonly usedBytes: number;
};

export type MessageLimits = {
  readonly batchBytes: number;
  readonly batchMessages: number;
  readonly pieceBytes: number;
};

/** Even as JSON well below the allocator's limit, and below what proxies allow by default. */
export const messageLimits: MessageLimits = { batchBytes: 131_072, batchMessages: 1_000, pieceBytes: 32_768 };

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Cuts messages from the beginning of `bytes`. A last line without its end is left, unless `takeRest`.
 *
 * @param place the file's generation, and the offset of `bytes` in it
 */
export function cutMessages(
  bytes: Uint8Array,
  place: { readonly generation: string; readonly offset: number },
  options: { readonly limits: MessageLimits; readonly takeRest: boolean },
): CutMessages {
  const { limits, takeRest } = options;
  const messages: LogMessage[] = [];
  let start = 0;
  while (messages.length < limits.batchMessages && start < bytes.length) {
    const piece = nextPiece(bytes, start, limits.pieceBytes, takeRest);
    if (piece === null || (piece.next > limits.batchBytes && messages.length > 0)) break;
    const id = `${place.generation}:${place.offset + start}-${place.offset + piece.next}`;
    messages.push({ text: decoder.decode(bytes.subarray(start, piece.end)), id });
    start = piece.next;
  }
  return { messages, usedBytes: start };
}

/** Where the piece ends and the next begins; null if its end has not been written yet. */
function nextPiece(
  bytes: Uint8Array,
  start: number,
  pieceBytes: number,
  takeRest: boolean,
): { readonly end: number; readonly next: number } | null {
  const newline = bytes.indexOf(NEWLINE, start);
  const lineEnd = newline === -1 ? bytes.length : newline;
  if (lineEnd - start > pieceBytes) {
    const end = start + characterStart(bytes.subarray(start), pieceBytes);
    return { end, next: end };
  }
  if (newline !== -1) {
    const isCrLf = newline > start && bytes[newline - 1] === CARRIAGE_RETURN;
    return { end: isCrLf ? newline - 1 : newline, next: newline + 1 };
  }
  return takeRest ? { end: bytes.length, next: bytes.length } : null;
}

/** The last position at or before `at` where a character begins: no piece ends within one. */
function characterStart(bytes: Uint8Array, at: number): number {
  for (let back = 0; back < 4; back++) {
    if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back;
  }
  return at;
}
