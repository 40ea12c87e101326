// Why there is no archive to download. Pure.
import { describeFailure, type Failure } from '../result.ts';
import { type VmFailure } from './failure.ts';

export type FailedVm = { readonly hostname: string; readonly failure: VmFailure };

/** The codes are those of the problems that the API answers with. */
export type DownloadFailure = Failure<'overloaded' | 'no_files' | 'download_failed'> & {
  /** Machines that could not be searched, the first hundred. */
  readonly vms: readonly FailedVm[];
  /** Machines that were searched, and have no files to download. */
  readonly searched: readonly string[];
};

/** More failed machines than this are only counted. */
const NAMED_VMS = 100;

export const tooManyDownloads: DownloadFailure = {
  code: 'overloaded',
  message: 'The maximum number of downloads is running.',
  remedy: 'Try again when one has finished.',
  vms: [],
  searched: [],
};

/** No machine could be searched. */
export function allFailed(failed: readonly FailedVm[]): DownloadFailure {
  return {
    code: 'download_failed',
    message: `No machine could be searched for files. ${listVms(failed)}`,
    remedy: 'Then download again.',
    vms: failed.slice(0, NAMED_VMS),
    searched: [],
  };
}

/** @param leftBehind how many files are there that are not to be downloaded @param searched the machines where there were none */
export function noFiles(
  failed: readonly FailedVm[],
  leftBehind: number,
  searched: readonly string[],
): DownloadFailure {
  const others = leftBehind === 1 ? '1 other file is' : `${leftBehind} other files are`;
  const parts = [
    'No files to download were found.',
    ...(leftBehind === 0 ? [] : [`${others} left out, by extension or by folder.`]),
    ...(failed.length === 0 ? [] : [`Not searched: ${listVms(failed)}`]),
  ];
  return {
    code: 'no_files',
    message: parts.join(' '),
    remedy: 'If there should be some, check DOWNLOAD_EXTENSIONS, DOWNLOAD_LEAVE_OUT and DOWNLOAD_FOLDER.',
    vms: failed.slice(0, NAMED_VMS),
    searched,
  };
}

function listVms(failed: readonly FailedVm[]): string {
  const named = failed
    .slice(0, NAMED_VMS)
    .map(({ hostname, failure }) => `${hostname}: ${describeFailure(failure)}`);
  const more = failed.length > NAMED_VMS ? [`And ${failed.length - NAMED_VMS} more.`] : [];
  return [...named, ...more].join(' ');
}
