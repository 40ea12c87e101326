// One machine's part in a download, for the manifest and for the record of downloads.
import type { LeftBehind } from './choose.ts';
import type { VmFailure } from './failure.ts';

export type FileReport = {
  /** Its name in the archive. */
  readonly name: string;
  /** The bytes of its path on the machine, if the name is not exactly that path. */
  readonly path: Buffer | null;
  readonly bytes: number;
  readonly sha256: string;
  readonly modified: Date;
  /** Only its beginning is in the archive. */
  readonly cut: boolean;
  /** It was written to while it was read. */
  readonly changed: boolean;
};

export type MissingFile = { readonly name: string; readonly reason: string };

export type VmReport = {
  readonly hostname: string;
  readonly participant: string | null;
  readonly files: readonly FileReport[];
  readonly missing: readonly MissingFile[];
  /** What the programs on the machine complained about. */
  readonly notes: readonly string[];
  /** Null if the machine could not be searched. */
  readonly leftBehind: LeftBehind | null;
  readonly failure: VmFailure | null;
  readonly seconds: number;
  /** Of the files that its search found; null if it could not be searched. */
  readonly fingerprint: string | null;
};

/** Whether all files that were asked for are in the archive. */
export function isWhole({ failure, missing }: VmReport): boolean {
  return failure === null && missing.length === 0;
}

export function bytesOf({ files }: Pick<VmReport, 'files'>): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
