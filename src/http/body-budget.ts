// What all bodies together may take, from their first byte to the end of their request, and the semaphore for those that are
// being unpacked. Without it, a few bytes each from a few hundred clients unpack to gigabytes.
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import pLimit from 'p-limit';
import { ProblemError } from '../contract/problems.ts';
import type { HttpLimits } from './limits.ts';
import { member } from './records.ts';

const unpackers = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

/** What is unpacked in one step of a thread. */
const PIECE_BYTES = 65_536;

export type Encoding = keyof typeof unpackers;

export function isEncoding(name: string): name is Encoding {
  return Object.hasOwn(unpackers, name);
}

/** What one body holds of the budget. */
export type BodyShare = {
  /** Adds to what the body holds. Throws `overloaded` where the budget is used up. */
  readonly take: (bytes: number) => void;
  /** Gives everything back; what is taken later is not counted. */
  readonly release: () => void;
};

export type BodyBudget = {
  readonly open: () => BodyShare;
  /** Rejects with `overloaded` where too many wait, and with the error of zlib. */
  readonly unpack: (packed: Buffer, encoding: Encoding, limitBytes: number) => Promise<Buffer>;
};

type Limits = Pick<
  HttpLimits,
  'bodiesBytes' | 'smallBodyBytes' | 'bodiesUnpackedAtOnce' | 'bodiesWaitingToUnpack'
>;

export function createBodyBudget(limits: Limits): BodyBudget {
  const oneOfFew = pLimit(limits.bodiesUnpackedAtOnce);
  let usedBytes = 0;
  return {
    open: () => {
      let [heldBytes, countedBytes, isOpen] = [0, 0, true];
      return {
        take: (bytes) => {
          if (!isOpen) return;
          heldBytes += bytes;
          // The number of connections bounds what small bodies take: they pass also while large ones have used up the budget.
          const added = Math.max(0, heldBytes - limits.smallBodyBytes) - countedBytes;
          if (usedBytes + added > limits.bodiesBytes) throw new ProblemError('overloaded');
          usedBytes += added;
          countedBytes += added;
        },
        release: () => {
          isOpen = false;
          usedBytes -= countedBytes;
          countedBytes = 0;
        },
      };
    },
    unpack: async (packed, encoding, limitBytes) => {
      if (oneOfFew.pendingCount >= limits.bodiesWaitingToUnpack) throw new ProblemError('overloaded');
      const body = await oneOfFew(() =>
        unpackers[encoding](packed, { maxOutputLength: limitBytes, chunkSize: PIECE_BYTES }),
      );
      // A copy: a small body would keep a whole piece.
      return body.length < PIECE_BYTES ? Buffer.from(body) : body;
    },
  };
}

/** Whether a body was not unpacked because it would be larger than its limit. */
export function isTooLarge(error: unknown): boolean {
  return member(error, 'code') === 'ERR_BUFFER_TOO_LARGE';
}
