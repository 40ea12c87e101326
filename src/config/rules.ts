// The rules that values keep, as zod schemas over text and YAML scalars. A message ends a sentence that begins with the
// value (`"abc"` + `is not a whole number`); the description ends "Set NAME to …". Knows no setting by name.
import { isIP } from 'node:net';
import { z } from 'zod';
import { normalizeEmail } from '../vms/email.ts';

/** `<deployment>-vm-<environment>-<n>` stays under the 63 characters of one DNS label. */
const HOSTNAME_PART_CHARACTERS = 24;
/** Postgres cuts longer identifiers silently. */
const IDENTIFIER_BYTES = 63;
const SECRET_KEY_CHARACTERS = 32;
/** A larger number of proxies is a typing error, and would trust addresses that anybody can write. */
const PROXY_HOPS = 32;
export const BACKUP_PASSPHRASE_CHARACTERS = 12;
const LIST_ENTRIES = 50;

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
/** With `?region=` where the environment names another one. */
const BUCKET_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[\w./-]*)?(\?region=[a-z0-9-]+)?$/;
const CIDR_SUFFIX = /^(.+)\/(\d{1,3})$/;
const EXPRESS_PROXY_NAMES: readonly string[] = ['loopback', 'linklocal', 'uniquelocal'];
const SECONDS = 1_000;
const MINUTES = 60_000;

/** What people leave in from a template, spelled without case, spaces, dashes and underscores. */
const PLACEHOLDERS: ReadonlySet<string> = new Set(
  (
    'admin administrator adminpassword changeit changeme changethis default example iamawesome iwanttosleap none null ' +
    'password passw0rd placeholder replaceme secret123 todo yourpassword yoursecret'
  ).split(' '),
);
/** `${VARIABLE}`, `{{ variable }}`, `<your password>`, `PLACEHOLDER_ADMIN_PASSWORD`: a template that was not filled in. */
const TEMPLATE = /\$\{.*\}|^\{\{.*\}\}$|^<.*>$|^placeholder[-_ ]/i;
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

const isUnfilledTemplate = (value: string): boolean => TEMPLATE.test(value.trim());
const hasControlCharacter = (value: string): boolean => CONTROL_CHARACTER.test(value);

/** Whether everybody knows this "secret", because it stands in some template or manual. */
function isPlaceholder(value: string): boolean {
  const plain = value.trim().toLowerCase();
  return isUnfilledTemplate(value) || PLACEHOLDERS.has(plain.replace(/[-_\s]/g, ''));
}

/** Whether express and Node can look this up: an IP address or a DNS name. */
export const isHost = (value: string): boolean => isIP(value) !== 0 || HOST_NAME.test(value);

const words = z.string('is not text (put it in quotes if it looks like a number or like true)');
const filled = words.refine((value) => !isUnfilledTemplate(value), 'is a template that was not filled in');
/** Spaces at the ends do not belong to the value. */
const text = filled.trim();

/** Decimal digits only: no sign, no `0x10`, no `1e1`. */
export function wholeNumber(least: number, most: number, unit?: string) {
  const digits = z.string().trim().regex(/^\d{1,15}$/).transform(Number); // prettier-ignore
  return z
    .union([z.int(), digits], 'is not a whole number')
    .pipe(z.number().min(least, `is less than ${least}`).max(most, `is more than ${most}`))
    .meta({ description: `a whole number from ${least} to ${most}`, unit });
}

/** Written in minutes or seconds, read in milliseconds. */
export const minutes = (least: number, most: number) => duration(least, most, 'minutes', MINUTES);
export const seconds = (least: number, most: number) => duration(least, most, 'seconds', SECONDS);

function duration(least: number, most: number, unit: string, unitMs: number) {
  const rule = wholeNumber(least, most, unit);
  return rule.transform((value) => value * unitMs).meta({ ...rule.meta() });
}

/** One of a few numbers. */
export function numberOf(values: readonly number[], unit: string) {
  const list = values.join(', ');
  const rule = wholeNumber(values[0] ?? 0, values.at(-1) ?? 0, unit);
  return rule
    .refine((value) => values.includes(value), `is none of ${list}`)
    .meta({ ...rule.meta(), description: `one of ${list}` });
}

export const oneOf = <const T extends readonly string[]>(names: T) =>
  text
    .toLowerCase()
    .pipe(z.enum(names, `is none of ${names.join(', ')}`))
    .meta({ description: new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(names) });

/** Also what Hydra takes for true and false. */
export const flag = z
  .union([z.boolean(), z.string()], 'is neither true nor false')
  .transform((value, context) => {
    if (typeof value === 'boolean') return value;
    if (/^\s*(true|yes|on)\s*$/i.test(value)) return true;
    if (/^\s*(false|no|off)\s*$/i.test(value)) return false;
    context.addIssue('is neither true nor false');
    return z.NEVER;
  })
  .meta({ description: 'true or false' });

export const plainText = text
  .refine((value) => !hasControlCharacter(value), 'holds control characters')
  .meta({ description: 'text' });

/** As it stands, spaces included. */
export const rawText = words.meta({ description: 'text' });

export const listenHost = text
  .refine(isHost, 'is neither an IP address nor a host name')
  .meta({ description: 'an IP address or a host name of this computer' });

export const hostName = text
  .refine(isHost, 'is neither an IP address nor a host name')
  .meta({ description: 'an IP address or a host name' });

export const databaseHost = text
  .refine(
    (value) => value.startsWith('/') || isHost(value),
    'is neither a host name, nor an IP address, nor the folder of a socket',
  )
  .meta({ description: 'the host alone, without a scheme and a port' });

export const ipAddress = text
  .refine((value) => isIP(value) !== 0, 'is not an IP address')
  .meta({ description: 'an IP address' });

export const folder = text
  .refine(
    (value) => !value.startsWith('~') && !hasControlCharacter(value),
    'is not a usable path (`~` is expanded by shells only: write the folder out)',
  )
  .meta({ description: 'the path of a folder' });

export const fileName = folder.meta({ description: 'the name of a file' });

export const absoluteFolder = text
  .refine((value) => value.startsWith('/') && !hasControlCharacter(value), 'is not an absolute path')
  .meta({ description: 'an absolute path' });

/** `slp, .csv` → slp and csv, in lower case; null: every file. */
export const extensions = text
  .transform((value, context): readonly string[] | null => {
    if (value === '*') return null;
    const names = listOf(value).map((name) => name.replace(/^\*?\./, '').toLowerCase());
    if (names.length > 0 && names.every((name) => /^[^\s/\\*]{1,40}$/.test(name))) return names;
    context.addIssue('is not a list of extensions');
    return z.NEVER;
  })
  .meta({ description: 'extensions such as slp,csv, or *' });

/** Names of single folders; `none`: no names. */
export const folderNames = text
  .transform((value, context): readonly string[] => {
    if (value.toLowerCase() === 'none') return [];
    const names = listOf(value);
    const isName = (name: string): boolean => !/[/\\]|^\.\.?$/.test(name) && !hasControlCharacter(name);
    if (names.length > 0 && names.every(isName)) return names;
    context.addIssue('is not a list of folder names');
    return z.NEVER;
  })
  .meta({ description: 'names of folders separated by commas, or none' });

function listOf(value: string): string[] {
  return value.split(',').flatMap((name) => name.trim() || []);
}

export const names = z
  .array(z.string('is not a list of names').regex(/^[\w.-]{1,64}$/, 'is not a list of names'), {
    error: 'is not a list of names',
  })
  .max(LIST_ENTRIES, `has more than ${LIST_ENTRIES} names`)
  .meta({ description: 'a list of names' });

export const addressBlocks = z
  .array(z.union([z.cidrv4(), z.cidrv6()], 'is not a list of address blocks'), {
    error: 'is not a list of address blocks',
  })
  .max(LIST_ENTRIES, `has more than ${LIST_ENTRIES} address blocks`)
  .meta({ description: 'a list of address blocks such as 203.0.113.7/32' });

const matching = (pattern: RegExp, message: string, description: string) =>
  text.regex(pattern, message).meta({ description });

export const containerName = matching(
  /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/,
  'is not the name of a container',
  'the name of a container, or none',
);
export const userName = matching(
  /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/,
  'is not the name of a user',
  'the name of a user',
);
export const logGroup = matching(
  /^[\w./#-]{1,512}$/,
  'is not the name of a log group',
  'at most 512 letters, digits and . - _ / #',
);
export const hostnamePart = text
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'cannot be a part of a hostname')
  .max(HOSTNAME_PART_CHARACTERS, `is longer than ${HOSTNAME_PART_CHARACTERS} characters`)
  .meta({ description: `at most ${HOSTNAME_PART_CHARACTERS} lower-case letters, digits and inner dashes` });

export const emailAddress = text
  .refine((value) => normalizeEmail(value) !== null, 'is not an e-mail address')
  .meta({ description: 'an e-mail address such as lablink@example.org' });

const IDENTIFIER = `a plain identifier of at most ${IDENTIFIER_BYTES} letters, digits and underscores`;
export const sqlIdentifier = text
  .refine(
    (value) => /^[a-z_][a-z0-9_]*$/i.test(value) && Buffer.byteLength(value) <= IDENTIFIER_BYTES,
    `is not ${IDENTIFIER}`,
  )
  .meta({ description: IDENTIFIER });

/** An origin, in the form that browsers send: no path, no slash at the end, no default port. */
export const publicUrl = text
  .refine(isOrigin, 'is not an http or https address without path, query and credentials')
  .transform((value) => new URL(value).origin)
  .meta({ description: 'an address such as https://lablink.example.org, without a path' });

const urlOf = (protocols: readonly string[], message: string, description: string) =>
  text.refine((value) => protocols.includes(URL.parse(value)?.protocol ?? ''), message).meta({ description });

export const postgresUrl = urlOf(
  ['postgres:', 'postgresql:'],
  'is not a postgres:// address',
  'an address such as postgres://user:password@host:5432/database',
);
export const stateUrl = urlOf(
  ['file:', 's3:'],
  'is neither a file:// nor an s3:// address',
  'an address such as s3://bucket or file:///folder',
);
export const keyUrl = urlOf(
  ['awskms:', 'gcpkms:', 'azurekeyvault:', 'hashivault:'],
  'is not the address of a key',
  'an address such as awskms://alias/lablink?region=us-west-2',
);

/** Basic authentication separates name and password at the first colon. */
export const adminUser = text
  .min(1, 'is empty')
  .refine(
    (value) => !/:/.test(value) && !hasControlCharacter(value),
    'cannot be a name in Basic authentication',
  )
  .meta({ description: 'a name without a colon' });

/** Spaces at the ends belong to a password, so nothing is trimmed. */
export const adminPassword = words
  .refine((value) => value.trim() !== '', { message: 'is empty', abort: true })
  .refine((value) => !isPlaceholder(value), 'is a placeholder, not a password: everybody knows it')
  .refine((value) => !hasControlCharacter(value), 'holds control characters, which no browser can send')
  .meta({ description: 'a password of your own' });

export const secretKey = filled
  .min(SECRET_KEY_CHARACTERS, `is shorter than ${SECRET_KEY_CHARACTERS} characters`)
  .meta({
    description: `at least ${SECRET_KEY_CHARACTERS} random characters, for example from \`openssl rand -hex 32\``,
  });

/** What can be written after `Authorization: Bearer`, RFC 6750 section 2.1. */
export const bearerToken = words
  .trim()
  .regex(/^[\w.~+/-]+=*$/, 'holds characters that a bearer token cannot have')
  .refine((value) => !isPlaceholder(value), 'is a placeholder, not a token: everybody knows it')
  .meta({ description: 'random letters and digits, for example from `openssl rand -hex 32`' });

export const passphrase = words
  .refine((value) => !isPlaceholder(value), 'is a placeholder: everybody knows it')
  .meta({ description: 'a passphrase of your own' });

/** It protects a file that may lie anywhere for years. */
export const longPassphrase = passphrase
  .refine((value) => value.length >= BACKUP_PASSPHRASE_CHARACTERS, {
    message: `is shorter than ${BACKUP_PASSPHRASE_CHARACTERS} characters`,
  })
  .meta({
    description: `at least ${BACKUP_PASSPHRASE_CHARACTERS} characters, such as five random words`,
  });

/** A folder, or a prefix in a bucket. */
export const backupPlace = text
  .refine(
    (value) => (value.startsWith('s3://') ? BUCKET_URL.test(value) : folder.safeParse(value).success),
    'is neither the path of a folder nor like s3://bucket/prefix',
  )
  .meta({ description: 'the path of a folder, or `s3://bucket/prefix`' });

export const filledText = filled.meta({ description: 'text' });

/** Express' meaning of "trust proxy", without `true`: that would trust whatever a client writes. */
export const trustProxy = words
  .trim()
  .transform((value, context): false | number | string[] => {
    if (/^(false|no|off|0)$/i.test(value)) return false;
    if (/^\d+$/.test(value) && Number(value) <= PROXY_HOPS) return Number(value);
    const addresses = value.split(',').map((part) => part.trim());
    if (addresses.every(isProxyAddress)) return addresses;
    const everybody = /^(true|yes|on|all|\*)$/i.test(value);
    context.addIssue(
      everybody ? 'trusts everybody, including clients that forge the header' : 'names no proxy',
    );
    return z.NEVER;
  })
  .meta({
    description: `false, the number of proxies in front (1 to ${PROXY_HOPS}), or their addresses such as 10.0.0.0/8,loopback`,
  });

function isProxyAddress(value: string): boolean {
  if (EXPRESS_PROXY_NAMES.includes(value)) return true;
  const [, address = value, bits = '0'] = CIDR_SUFFIX.exec(value) ?? [];
  const family = isIP(address);
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

function isOrigin(value: string): boolean {
  const url = URL.parse(value);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false;
  return (
    url.pathname === '/' && url.search + url.hash + url.username + url.password === '' && !value.endsWith('?')
  );
}
