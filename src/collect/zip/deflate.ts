// Packing of one entry's data, piece by piece, at the speed of whoever takes it.
import { createDeflateRaw, deflateRaw, deflateRawSync } from 'node:zlib';
import { promisify } from 'node:util';

/** Quick and good enough: the wait is for the network. */
const LEVEL = 1;
/** Looked at to find out whether packing is worth it. */
const PROBE_BYTES = 32_768;
/** Packed, it must be smaller than this share. */
const WORTH_IT = 0.9;

/** Packed data; null where that would not be worth it. */
export async function deflateWhole(content: Buffer): Promise<Buffer | null> {
  if (!isWorthPacking(content)) return null;
  const packed = await promisify(deflateRaw)(content, { level: LEVEL });
  return packed.length < content.length * WORTH_IT ? packed : null;
}

/** By trying with the beginning: what is compressed already does not get smaller, whatever its name says. */
export function isWorthPacking(beginning: Buffer): boolean {
  const probe = beginning.subarray(0, PROBE_BYTES);
  return deflateRawSync(probe, { level: LEVEL }).length < probe.length * WORTH_IT;
}

export type Packer = {
  /** What came out for this piece: often nothing. */
  readonly pack: (piece: Buffer) => Promise<readonly Buffer[]>;
  /** The rest. */
  readonly finish: () => Promise<readonly Buffer[]>;
  /** Gives it up. */
  readonly close: () => void;
};

export function createDeflater(): Packer {
  const deflate = createDeflateRaw({ level: LEVEL });
  let out: Buffer[] = [];
  deflate.on('data', (piece: Buffer) => out.push(piece));
  const taken = (): readonly Buffer[] => {
    const pieces = out;
    out = [];
    return pieces;
  };
  return {
    pack: async (piece) => {
      await new Promise<void>((resolve, reject) => {
        deflate.write(piece, (error) => (error ? reject(error) : resolve()));
      });
      return taken();
    },
    finish: async () => {
      await new Promise<void>((resolve, reject) => {
        deflate.once('end', resolve).once('error', reject);
        deflate.end();
      });
      return taken();
    },
    close: () => void deflate.destroy(),
  };
}

/** Stored as it is. */
export const asItIs: Packer = {
  pack: (piece) => Promise.resolve([piece]),
  finish: () => Promise.resolve([]),
  close: () => undefined,
};
