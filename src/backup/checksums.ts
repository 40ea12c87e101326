// Counts and sums what goes into a backup, and again what comes out.
import { createHash, type Hash } from 'node:crypto';

export type Counted = { readonly bytes: number; readonly sha256: string };

/** Sums the pieces of one thing. */
export class Counter {
  #bytes = 0;
  readonly #hash: Hash = createHash('sha256');

  add(piece: Uint8Array): void {
    this.#bytes += piece.byteLength;
    this.#hash.update(piece);
  }

  /** Call it once, at the end. */
  result(): Counted {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}

export function countOf(whole: Uint8Array): Counted {
  const counter = new Counter();
  counter.add(whole);
  return counter.result();
}
