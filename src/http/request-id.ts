// The id of a request, in its answer and in every line of the log about it.
const ACCEPTED = /^[A-Za-z0-9_-]{8,64}$/;
const OWN_BYTES = 12;

/** The id that a proxy in front gave, where it is harmless; else a new one. */
export function requestIdOf(given: string | undefined, randomBytes: (size: number) => Buffer): string {
  if (given !== undefined && ACCEPTED.test(given)) return given;
  return randomBytes(OWN_BYTES).toString('base64url');
}
