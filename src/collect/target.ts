// The input of a download: where the machines are, which files are wanted, and the limits.

/** Where a participant's files are on a machine. */
export type FilePlace =
  | {
      readonly kind: 'container';
      /** Null: the one that runs. */
      readonly name: string | null;
      readonly folder: string;
    }
  | { readonly kind: 'folder'; readonly folder: string };

export type Target = {
  readonly hostname: string;
  /** Of its files in the archive: any text, which no other target has; absent: the hostname. */
  readonly folder?: string;
  /** Null if none is known. */
  readonly address: string | null;
  readonly port: number;
  readonly user: string;
  /** As in known_hosts, without the host: `ssh-ed25519 AAAA…`; null: the key that it shows first is pinned. */
  readonly hostKey: string | null;
  readonly place: FilePlace;
  /** E-mail of the participant who has the machine, or had it last. */
  readonly participant: string | null;
};

export type Choice = {
  /** Without dots, in lower case; null: every file. */
  readonly extensions: readonly string[] | null;
  /** Names of folders that are left out, with everything in them. */
  readonly leftOut: readonly string[];
};

export type CollectLimits = {
  /** Downloads at once. */
  readonly downloads: number;
  /** Machines of one download that send at the same time. */
  readonly sending: number;
  /** Machines of one download that are searched at the same time. */
  readonly searching: number;
  /** For connecting and logging in. */
  readonly connectMs: number;
  /** A machine that sends nothing for this long while it is read is given up. */
  readonly stallMs: number;
  /** Less data than this does not count. */
  readonly dripBytes: number;
  /** The same during the search. */
  readonly searchStallMs: number;
  readonly searchDripBytes: number;
  /** For one search. */
  readonly searchMs: number;
  /** Read from a machine before the archive takes it. */
  readonly readAheadBytes: number;
  /** Files up to this size are held in memory before they are added to the archive. */
  readonly wholeFileBytes: number;
  /** Length of the list of one machine's files. */
  readonly listingBytes: number;
  /** A machine may send this much more than it has listed: files grow while they are read. */
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
