// The encoding of an uploaded table. Browsers run it: apart from the rest, which needs a library. Pure.

/** Text of a file: UTF-8, UTF-16 with its mark, or, where it is neither, Windows-1252, as Excel writes it. */
export function decodeTable(bytes: Uint8Array<ArrayBuffer>): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
