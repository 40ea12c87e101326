// Why a machine's work could not be had: a kind for programs, a sentence for people.

export type FailureKind =
  | 'no_address'
  | 'unreachable'
  | 'key_refused'
  | 'host_key_changed'
  | 'no_container'
  | 'no_folder'
  | 'search_failed'
  | 'stalled'
  | 'connection_lost'
  | 'broken_stream'
  | 'too_much'
  | 'stopped';

/** Crosses the layers between a socket and the report; whoever reports it knows the machine. */
export class VmFailure extends Error {
  readonly kind: FailureKind;
  constructor(kind: FailureKind, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = 'VmFailure';
    this.kind = kind;
  }
}

/** What else was thrown is a bug of ours, or of a library: it is told as what it says. */
export function asFailure(error: unknown): VmFailure {
  if (error instanceof VmFailure) return error;
  const said = error instanceof Error ? error.message : String(error);
  return new VmFailure('broken_stream', `What came could not be understood: ${said}`, { cause: error });
}

const SHOWN_CHARACTERS = 300;

/** What a remote program said, as one short line without control characters. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/\p{Cc}+/gu, ' ').trim();
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)} …` : line;
}
