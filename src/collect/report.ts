// What is known of a machine's part in a download: while it runs, and in the manifest.
import type { LeftBehind } from './choose.ts';
import type { VmFailure } from './failure.ts';

export type FileReport = {
  /** Its name in the archive. */
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly modified: Date;
  /** Only its beginning came. */
  readonly cut: boolean;
};

export type MissingFile = { readonly name: string; readonly reason: string };

export type VmReport = {
  readonly hostname: string;
  readonly participant: string | null;
  readonly files: readonly FileReport[];
  readonly missing: readonly MissingFile[];
  /** What the machine said beside its files. */
  readonly notes: readonly string[];
  /** Null where nothing was found out. */
  readonly leftBehind: LeftBehind | null;
  readonly failure: VmFailure | null;
  readonly seconds: number;
  /** Of what its search has found; null where it has found nothing out. */
  readonly fingerprint: string | null;
};

/** All that was asked for has come. */
export function isWhole({ failure, missing }: VmReport): boolean {
  return failure === null && missing.length === 0;
}

export function bytesOf({ files }: Pick<VmReport, 'files'>): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
