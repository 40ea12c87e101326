// Why there is no archive, as sentences. Pure.
import type { VmFailure } from './failure.ts';

export type Failed = { readonly hostname: string; readonly failure: VmFailure };

export type Refused =
  | { readonly kind: 'no_files'; readonly failed: readonly Failed[]; readonly leftBehind: number }
  | { readonly kind: 'all_failed'; readonly failed: readonly Failed[] };

/** More are counted only. */
export const NAMED_FAILURES = 100;

export function describeRefusal(refused: Refused): string {
  const { failed } = refused;
  if (refused.kind === 'all_failed') return `No machine could be searched for files. ${named(failed)}`;
  const { leftBehind } = refused;
  const left = leftBehind === 0 ? '' : ` ${counted(leftBehind)}, by extension or by folder.`;
  return `No files to download were found.${left}${failed.length === 0 ? '' : ` Not searched: ${named(failed)}`}`;
}

function counted(files: number): string {
  return files === 1 ? '1 other file is left out' : `${files} other files are left out`;
}

function named(failed: readonly Failed[]): string {
  const shown = failed
    .slice(0, NAMED_FAILURES)
    .map(({ hostname, failure }) => `${hostname}: ${failure.message}`);
  const more = failed.length > NAMED_FAILURES ? [`And ${failed.length - NAMED_FAILURES} more.`] : [];
  return [...shown, ...more].join(' ');
}
