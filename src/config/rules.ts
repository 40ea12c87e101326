// The rules that values keep, as zod schemas over text. Messages are the end of a sentence that begins with the value:
// `"abc"` + `is not a whole number`. Knows no key by name.
import { isIP } from 'node:net';
import { z } from 'zod';

/** `<deployment>-vm-<environment>-<n>` stays under the 63 characters of one DNS label. */
const HOSTNAME_PART_CHARACTERS = 24;
/** Postgres cuts longer identifiers silently. */
const IDENTIFIER_BYTES = 63;
const SECRET_KEY_CHARACTERS = 32;
/** A hop count above this is a typing error, and would believe addresses that anybody can write. */
const PROXY_HOPS = 32;

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const CIDR_SUFFIX = /^(.+)\/(\d{1,3})$/;
const EXPRESS_PROXY_NAMES: readonly string[] = ['loopback', 'linklocal', 'uniquelocal'];

/** What people leave in from a template, spelled without case, spaces, dashes and underscores. */
const PLACEHOLDERS: ReadonlySet<string> = new Set(
  (
    'admin administrator adminpassword changeit changeme changethis default example iamawesome iwanttosleap none null ' +
    'password passw0rd placeholder replaceme secret123 todo yourpassword yoursecret'
  ).split(' '),
);
/** `${VARIABLE}`, `{{ variable }}`, `<your password>`, `PLACEHOLDER_ADMIN_PASSWORD`: a template that nobody filled in. */
const TEMPLATE = /\$\{.*\}|^\{\{.*\}\}$|^<.*>$|^placeholder[-_ ]/i;
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/** Whether this is a template that nobody filled in rather than a value. */
export const isUnfilledTemplate = (text: string): boolean => TEMPLATE.test(text.trim());

/** Whether everybody knows this "secret", because it stands in some template or manual. */
export function isPlaceholder(text: string): boolean {
  return (
    isUnfilledTemplate(text) ||
    PLACEHOLDERS.has(
      text
        .trim()
        .toLowerCase()
        .replace(/[-_\s]/g, ''),
    )
  );
}

/** Whether express and Node can look this up: an IP address or a DNS name. */
export const isHost = (text: string): boolean => isIP(text) !== 0 || HOST_NAME.test(text);

const text = z.string().trim();

/** Decimal digits only: no sign, no `0x10`, no `1e1`. */
export const wholeNumber = (least: number, most: number) =>
  text
    .regex(/^\d{1,15}$/, 'is not a whole number')
    .transform(Number)
    .pipe(z.number().min(least, `is less than ${least}`).max(most, `is more than ${most}`));

export const oneOf = <const T extends readonly [string, ...string[]]>(names: T) =>
  text.toLowerCase().pipe(z.enum(names, `is none of ${names.join(', ')}`));

export const listenHost = text.refine(isHost, 'is neither an IP address nor a host name');

export const ipAddress = text.refine((value) => isIP(value) !== 0, 'is not an IP address');

export const folder = text.refine(
  (value) => !value.startsWith('~') && !CONTROL_CHARACTER.test(value),
  'is not a path that can be used here (`~` is a matter of the shell: write the folder out)',
);

/** `slp, .csv` → slp and csv, in lower case; null: every file. */
export const extensions = text.transform((value, context): readonly string[] | null => {
  if (value === '*') return null;
  const names = listOf(value).map((name) => name.replace(/^\*?\./, '').toLowerCase());
  if (names.length > 0 && names.every((name) => /^[^\s/\\*]{1,40}$/.test(name))) return names;
  context.addIssue('is no list of extensions');
  return z.NEVER;
});

/** Names of single folders; `none`: no names. */
export const folderNames = text.transform((value, context): readonly string[] => {
  if (value.toLowerCase() === 'none') return [];
  const names = listOf(value);
  const isName = (name: string): boolean => !/[/\\]|^\.\.?$/.test(name) && !CONTROL_CHARACTER.test(name);
  if (names.length > 0 && names.every(isName)) return names;
  context.addIssue('is no list of folder names');
  return z.NEVER;
});

export const absoluteFolder = text.refine(
  (value) => value.startsWith('/') && !CONTROL_CHARACTER.test(value),
  'is not an absolute path',
);

export const containerName = text.regex(
  /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/,
  'is not the name of a container',
);

export const userName = text.regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'is not the name of a user');

function listOf(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

export const plainText = text.refine(
  (value) => !CONTROL_CHARACTER.test(value) && !isUnfilledTemplate(value),
  'is a template that nobody filled in, or holds control characters',
);

export const hostnamePart = text
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'cannot be a part of a hostname')
  .max(HOSTNAME_PART_CHARACTERS, `is longer than ${HOSTNAME_PART_CHARACTERS} characters`);

export const logGroup = text.regex(/^[\w./#-]{1,512}$/, 'is not the name of a log group');

export const sqlIdentifier = text.refine(
  (value) => /^[a-z_][a-z0-9_]*$/i.test(value) && Buffer.byteLength(value) <= IDENTIFIER_BYTES,
  `is not a plain identifier of at most ${IDENTIFIER_BYTES} letters, digits and underscores`,
);

/** An origin, in the form that browsers send: no path, no slash at the end, no default port. */
export const publicUrl = text
  .refine((value) => isOrigin(value), 'is not an http or https address without path, query and credentials')
  .transform((value) => new URL(value).origin);

export const postgresUrl = text.refine(
  (value) => isUrlOf(value, ['postgres:', 'postgresql:']) && !isUnfilledTemplate(value),
  'is not a postgres:// address',
);

export const stateUrl = text.refine(
  (value) => isUrlOf(value, ['file:', 's3:']),
  'is neither a file:// nor an s3:// address',
);

export const keyUrl = text.refine(
  (value) => isUrlOf(value, ['awskms:', 'gcpkms:', 'azurekeyvault:', 'hashivault:']),
  'is not the address of a key',
);

/** Basic authentication parts name and password at the first colon. */
export const adminUser = text
  .min(1, 'is empty')
  .refine((value) => !/:/.test(value) && !CONTROL_CHARACTER.test(value) && !isUnfilledTemplate(value), {
    message: 'cannot be a name in Basic authentication',
  });

/** Spaces at the ends belong to a password, so nothing is trimmed. */
export const adminPassword = z
  .string()
  .refine((value) => value.trim() !== '', { message: 'is empty', abort: true })
  .refine((value) => !isPlaceholder(value), 'is a placeholder, not a password: everybody knows it')
  .refine((value) => !CONTROL_CHARACTER.test(value), 'holds control characters, which no browser can send');

export const secretKey = z
  .string()
  .min(SECRET_KEY_CHARACTERS, `is shorter than ${SECRET_KEY_CHARACTERS} characters`)
  .refine((value) => !isUnfilledTemplate(value), 'is a template that nobody filled in');

/** What can be written behind `Authorization: Bearer`, RFC 6750 section 2.1. */
export const bearerToken = text
  .regex(/^[\w.~+/-]+=*$/, 'holds characters that a bearer token cannot have')
  .refine((value) => !isPlaceholder(value), 'is a placeholder, not a token: everybody knows it');

export const passphrase = z
  .string()
  .refine((value) => !isPlaceholder(value), 'is a placeholder: everybody knows it');

/** One line that people read. */
export const shownText = (most: number) =>
  text
    .max(most, `is longer than ${most} characters`)
    .refine((value) => !CONTROL_CHARACTER.test(value), 'holds line breaks or control characters');

/** Several lines that people read. */
export const shownLines = (most: number) =>
  text
    .max(most, `is longer than ${most} characters`)
    .refine(
      (value) => !CONTROL_CHARACTER.test(value.replaceAll(/\r?\n|\t/g, '')),
      'holds control characters',
    );

/** Express' meaning of "trust proxy", without `true`: that would believe whatever a client writes. */
export const trustProxy = text.transform((value, context): false | number | string[] => {
  if (/^(false|no|off|0)$/i.test(value)) return false;
  if (/^\d+$/.test(value) && Number(value) <= PROXY_HOPS) return Number(value);
  const addresses = value.split(',').map((part) => part.trim());
  if (addresses.every(isProxyAddress)) return addresses;
  const everybody = /^(true|yes|on|all|\*)$/i.test(value);
  context.addIssue(everybody ? 'believes everybody, also whoever forges the header' : 'names no proxy');
  return z.NEVER;
});

function isProxyAddress(value: string): boolean {
  if (EXPRESS_PROXY_NAMES.includes(value)) return true;
  const [, address = value, bits = '0'] = CIDR_SUFFIX.exec(value) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

function isUrlOf(value: string, protocols: readonly string[]): boolean {
  const url = URL.parse(value);
  return url !== null && protocols.includes(url.protocol);
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false;
  return (
    url.pathname === '/' && url.search + url.hash + url.username + url.password === '' && !value.endsWith('?')
  );
}
