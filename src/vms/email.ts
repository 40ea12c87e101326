// E-mail addresses of participants, which identify them. Pure.

/** RFC 5321: the longest address that mail can reach. */
const EMAIL_MAX_LENGTH = 254;
/** Two parts, an @, and a dot in the domain: a stricter rule would reject more real addresses than it finds wrong ones. */
const EMAIL = /^[^\s@<>,;:"()]+@[^\s@<>,;:"().]+(?:\.[^\s@<>,;:"().]+)+$/;
const CONTROL = /\p{Cc}/u;

/** The address as it is compared and stored (trimmed, lower case), or null if it is not an address. */
export function normalizeEmail(given: string): string | null {
  const email = given.normalize('NFKC').trim().toLowerCase().replace(/\.$/, '');
  return email.length <= EMAIL_MAX_LENGTH && EMAIL.test(email) && !CONTROL.test(email) ? email : null;
}
