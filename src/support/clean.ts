// Removes from everything that goes into a support bundle what must not leave the lab: secrets, and e-mail addresses, which become
// pseudonyms. Pure.
import { redactFields } from '../log/redact.ts';
import { REDACTED, scrubText } from '../log/scrub.ts';

export type Cleaner = {
  /** A log, a table of metrics: line by line. */
  readonly text: (text: string) => string;
  /** An object, or a list of them, as JSON on several lines. */
  readonly json: (value: object) => string;
  /** One line of JSON for each row. */
  readonly rows: (rows: readonly object[]) => string;
};

export type Known = {
  /** Values that are removed wherever they stand, whatever they look like. */
  readonly secrets: readonly string[];
  /** Addresses that the database has: also those that do not look like one in running text. */
  readonly emails: readonly string[];
};

/** A shorter value may be any word or number. */
const LEAST_SECRET_CHARACTERS = 6;
/** Passwords of trials, which stand everywhere as names. */
const NAMES: readonly string[] = ['lablink', 'postgres', 'postgresql', 'password'];
const PEM = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
/** Wider than an address, so that nothing of one remains; what is too much is cut off before two are compared. */
const EMAIL =
  /[^\s@<>,;:"()\\]{1,254}(?:@|%40)[^\s@<>,;:"()\\/?#&%'|[\]{}=.]+(?:\.[^\s@<>,;:"()\\/?#&%'|[\]{}=.]+)+/gi;
/** Names of parameters, quotes, brackets in front of an address. */
const BEFORE_ADDRESS = /^.*(?:[=&?/|'[\]{}]|%3d|%26|%2f)/i;
/** The end of a version, such as `package@1.2.3`. */
const VERSION = /\.\d+$/;

export function createCleaner({ secrets, emails }: Known): Cleaner {
  const pseudonyms = new Map<string, string>();
  const pseudonym = (address: string): string => {
    const known = pseudonyms.get(address);
    if (known !== undefined) return known;
    const made = `person-${pseudonyms.size + 1}@hidden.invalid`;
    pseudonyms.set(address, made);
    return made;
  };
  const values = variantsOf(secrets);
  const unusual = emails.filter(isUnusual);
  const withoutKnown = (text: string): string => {
    const bare = values.reduce(
      (rest, value) => rest.replaceAll(value, REDACTED),
      text.replace(PEM, REDACTED),
    );
    return unusual.reduce((rest, email) => rest.replaceAll(email, pseudonym(email)), bare);
  };
  const line = (text: string): string => {
    const scrubbed = scrubText(text);
    if (!scrubbed.includes('@') && !scrubbed.includes('%40')) return scrubbed;
    return scrubbed.replace(EMAIL, (found) => {
      const isOurs = /@hidden\.invalid$/.test(found) || found.includes(`${REDACTED}@`);
      return isOurs || VERSION.test(found) ? found : pseudonym(addressIn(found));
    });
  };
  const lines = (text: string): string => withoutKnown(text).split('\n').map(line).join('\n');
  const cleanRow = (row: object): object => redactFields(mapMembers(row, lines));
  /** Each member, and each entry of a list, by itself: what one log line may hold is too little for all. */
  const cleanAll = (value: object): unknown =>
    Array.isArray(value)
      ? value.map((entry: unknown) => (isObject(entry) ? cleanRow(entry) : mapTexts(entry, lines)))
      : Object.fromEntries(
          Object.entries(value).map(([key, entry]: [string, unknown]) => [
            key,
            Array.isArray(entry) ? cleanAll(entry) : Object.values(cleanRow({ [key]: entry }))[0],
          ]),
        );
  return {
    text: lines,
    json: (value) => `${JSON.stringify(cleanAll(value), null, 2)}\n`,
    rows: (rows) => rows.map((row) => `${JSON.stringify(cleanRow(row))}\n`).join(''),
  };
}

/** As it stands in URLs, in JSON and in headers too. */
function variantsOf(secrets: readonly string[]): string[] {
  const variants = secrets
    .filter((secret) => secret.length >= LEAST_SECRET_CHARACTERS && !NAMES.includes(secret))
    .flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      JSON.stringify(secret).slice(1, -1),
      Buffer.from(secret).toString('base64'),
    ]);
  // A secret that is a part of another one must not leave the rest of that.
  return [...new Set(variants)].sort((one, other) => other.length - one.length);
}

/** Whether the pattern does not find this address, or not all of it. */
function isUnusual(email: string): boolean {
  return email.replace(EMAIL, '') !== '' || addressIn(email) !== email || VERSION.test(email);
}

function addressIn(found: string): string {
  return found.replace(/%40/g, '@').replace(BEFORE_ADDRESS, '').toLowerCase();
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((entry: unknown) => mapTexts(entry, change));
  if (!isObject(value) || value instanceof Date || value instanceof Error) return value;
  return mapMembers(value, change);
}

function mapMembers(value: object, change: (text: string) => string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => [key, mapTexts(entry, change)]),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
