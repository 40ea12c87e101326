// Small numbers in the byte order of ZIP files.

/** Little-endian fields, one after the other: `[bytes, value]`. Eight bytes take numbers up to 2^53. */
export function fields(...parts: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const buffer = Buffer.alloc(parts.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of parts) {
    if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value), at);
    else buffer.writeUIntLE(value, at, bytes);
    at += bytes;
  }
  return buffer;
}

/** An extra field: its id, its length, its content. */
export function extraField(id: number, content: Buffer): Buffer {
  return Buffer.concat([fields([2, id], [2, content.length]), content]);
}
