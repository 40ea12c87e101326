// What sends a message: an e-mail or a webhook.

export type OutgoingMessage = {
  /** The same in every try, so that a receiver that gets it twice notices. */
  readonly id: string;
  /** An e-mail address, or the address of a webhook. */
  readonly address: string;
  /** Of a webhook: the secret that signs, like `whsec_…`. */
  readonly secret: string | null;
  readonly event: string;
  readonly at: Date;
  /** One line. */
  readonly subject: string;
  /** Plain text. */
  readonly text: string;
  readonly link: string;
  /** For programs: no names and addresses of participants. */
  readonly facts: Readonly<Record<string, unknown>>;
};

/** Why a try failed, in one sentence for the organiser. */
export type SendFailure = {
  readonly problem: string;
  /** What the receiver asked for; null = nothing. */
  readonly retryAfterSeconds: number | null;
  /** Another try would fail too. */
  readonly isFinal: boolean;
};

/** Null = it was accepted. Ends soon after the signal is aborted, with whatever failure. Never rejects. */
export type Send = (message: OutgoingMessage, signal: AbortSignal) => Promise<SendFailure | null>;

export function failed(problem: string, more: Partial<SendFailure> = {}): SendFailure {
  return { problem, retryAfterSeconds: null, isFinal: false, ...more };
}
