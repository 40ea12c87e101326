// Why the files of a machine could not be downloaded.
import type { Failure } from '../result.ts';

/** What to do about each. */
const remedies = {
  no_address: 'Register the machine with its address.',
  unreachable: 'Check that it is running and lets the allocator reach its SSH port.',
  key_refused: "Add the allocator's public key to the authorized keys of that user.",
  host_key_changed:
    'If the machine was created again under the same name, remove it and register it again; if it was not, somebody may be intercepting the connection.',
  no_container: 'Start the container, or set DOWNLOAD_CONTAINER to the right name.',
  no_folder: 'Check DOWNLOAD_FOLDER.',
  login_shell:
    'Let ~/.bashrc print only in an interactive shell, and let that user run commands, then download again.',
  search_failed: 'Check the folder on the machine, then download again.',
  stalled: 'Check the machine, then download again.',
  connection_lost: 'Check the machine, then download again.',
  broken_stream: 'Check the tar program on the machine, then download again.',
  too_much: 'Choose fewer files with DOWNLOAD_EXTENSIONS or DOWNLOAD_LEAVE_OUT.',
  stopped: 'Download again.',
} as const;

export type VmFailureCode = keyof typeof remedies;

/** A failure that is thrown: it crosses streams on its way from a socket to the report, which names the machine. */
export class VmFailure extends Error implements Failure<VmFailureCode> {
  readonly code: VmFailureCode;
  readonly remedy: string;
  constructor(code: VmFailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'VmFailure';
    this.code = code;
    this.remedy = remedies[code];
  }
}

/** Anything else that was thrown is a bug of ours or of a library. */
export function asFailure(error: unknown): VmFailure {
  if (error instanceof VmFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new VmFailure('broken_stream', `The allocator could not read the machine's data: ${message}.`, {
    cause: error,
  });
}

const SHOWN_CHARACTERS = 300;

/** The output of a remote program as one short line without control characters. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, ' ').trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)} …` : line;
}

/** The lines of a remote program's error output, without empty ones. */
export function errorLines(output: string, limit: number): readonly string[] {
  const lines = output.split('\n').map(oneLine);
  return lines.filter((line) => line !== '').slice(0, limit);
}
