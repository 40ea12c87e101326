// What the room is told: where the machines are, which files count, how much may happen at once. Knows no table.

/** Where a participant's files are on a machine. */
export type Place =
  | {
      readonly kind: 'container';
      /** Null: whichever runs. */
      readonly name: string | null;
      readonly folder: string;
    }
  | { readonly kind: 'folder'; readonly folder: string };

export type Target = {
  readonly hostname: string;
  /** Null where none is known. */
  readonly address: string | null;
  readonly port: number;
  readonly user: string;
  /** As in known_hosts, without the host: `ssh-ed25519 AAAA…`; null: whatever is shown first is pinned. */
  readonly hostKey: string | null;
  readonly place: Place;
  /** E-mail of whoever has it, or had it last. */
  readonly participant: string | null;
};

export type Choice = {
  /** Without dots, in lower case; null: every file. */
  readonly extensions: readonly string[] | null;
  /** Names of folders that are left out with all that is in them. */
  readonly leftOut: readonly string[];
};

export type CollectLimits = {
  /** Downloads at once; one more is told to come back. */
  readonly downloads: number;
  /** Machines of one download that send at once. */
  readonly sending: number;
  /** Machines of one download that are entered and searched at once. */
  readonly searching: number;
  /** From dialling to being let in. */
  readonly connectMs: number;
  /** A machine that is read and says nothing for this long is given up. */
  readonly stallMs: number;
  /** Fewer bytes than this do not count as an answer. */
  readonly dripBytes: number;
  /** The same while it searches its disk. */
  readonly searchStallMs: number;
  readonly searchDripBytes: number;
  /** All waiting for one search. */
  readonly searchMs: number;
  /** What is read of a machine before the archive takes it. */
  readonly readAheadBytes: number;
  /** Files up to this size are put into the archive whole. */
  readonly wholeFileBytes: number;
  /** The list of one machine's files. */
  readonly listingBytes: number;
  /** What a machine may send beyond what it has listed: files grow while they are read. */
  readonly surplusBytes: number;
};

export const defaultLimits: CollectLimits = {
  downloads: 4,
  sending: 4,
  searching: 16,
  connectMs: 10_000,
  stallMs: 10_000,
  dripBytes: 65_536,
  searchStallMs: 30_000,
  searchDripBytes: 1_024,
  searchMs: 300_000,
  readAheadBytes: 262_144,
  wholeFileBytes: 1_048_576,
  listingBytes: 67_108_864,
  surplusBytes: 1_073_741_824,
};
