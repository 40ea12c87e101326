// What the engine and the cloud say, without secrets: those that are known by their value, and those known by their shape.
import { scrubText } from '../../log/scrub.ts';

const HIDDEN = '[redacted]';
/** A shorter one would take ordinary words out of every line. */
const LEAST_LENGTH = 6;

export function redact(text: string, secrets: readonly string[]): string {
  const known = secrets.filter((secret) => secret.length >= LEAST_LENGTH);
  return scrubText(known.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text));
}
