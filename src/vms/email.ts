// E-mail addresses of participants, which identify them. Pure.

/** RFC 5321: the longest address that mail can reach. */
const EMAIL_MAX_LENGTH = 254;
/** Two parts, an @, and a dot in the domain: a stricter rule would reject more real addresses than it finds wrong ones. */
const EMAIL = /^[^\s@<>,;:"()]+@[^\s@<>,;:"().]+(?:\.[^\s@<>,;:"().]+)+$/;
/** What cannot be seen: zero-width and soft characters, bidirectional controls, fillers. They come with copied text. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
/** Controls, and what no font shows: private, unassigned and half characters, and a blank that is no space. */
const UNSEEN = /[\p{Cc}\p{Co}\p{Cn}\p{Cs}\u2800]/u;

/** Without what cannot be seen, so that two names that look alike are alike. */
export function withoutInvisible(given: string): string {
  return given.replaceAll(INVISIBLE, '');
}

/** The address as it is compared and stored (trimmed, lower case), or null if it is not an address. */
export function normalizeEmail(given: string): string | null {
  const email = withoutInvisible(given.normalize('NFKC')).trim().toLowerCase().replace(/\.$/, '');
  return email.length <= EMAIL_MAX_LENGTH && EMAIL.test(email) && !UNSEEN.test(email) ? email : null;
}
