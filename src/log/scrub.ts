// Removes secrets from running text by their shape, because messages quote what they failed on.

export const REDACTED = '[redacted]';
/** A longer text is cut: people read log lines. */
const LOGGED_TEXT_CHARACTERS = 8_192;

/** The part before the last word of a name is bounded, so that no text makes the pattern slow. */
const SECRET_NAMES = 'crd_?command|pin|[\\w-]{0,40}(?:password|passphrase|secret|token|cookie)';

const SHAPES: readonly (readonly [RegExp, string])[] = [
  // postgres://user:password@host
  [/\/\/[^\s/?#]+@/g, `//${REDACTED}@`],
  [/(\bauthorization["']?\s*[:=]\s*["']?(?:(?:Bearer|Basic) +)?)[^\s"',;]+/gi, `$1${REDACTED}`],
  // Elsewhere a word of small letters, as in "Basic authentication", is no credential.
  [/\b(Bearer|Basic) +(?=[\w.~+/-]*[A-Z0-9])[\w.~+/-]{8,}=*/g, `$1 ${REDACTED}`],
  // The code of a Chrome Remote Desktop command, after its option or alone.
  [/(--code(?:=|\s+))(?:"[^"]*"?|'[^']*'?|[^\s"']+)/g, `$1${REDACTED}`],
  [/\b4\/0[\w-]{8,}/g, REDACTED],
  // The hash of a password, the signing secret of a webhook, and a row that Postgres quotes, which may have a PIN.
  [/\$argon2\w*\$[\w$+/=,.-]+/g, REDACTED],
  [/\bwhsec_[\w+/=-]+/g, REDACTED],
  [/(\bFailing row contains )\(.*/g, `$1(${REDACTED})`],
  // Connection strings and forms; then JSON, also broken or cut, and the output of util.inspect.
  [new RegExp(`\\b(${SECRET_NAMES})=(?:"[^"]*"?|'[^']*'?|[^\\s&;,"']+)`, 'gi'), `$1=${REDACTED}`],
  [
    new RegExp(`(["'](?:${SECRET_NAMES})["']\\s*:\\s*)("(?:[^"\\\\]|\\\\.)*"?|[^\\s,}]+)`, 'gi'),
    `$1${REDACTED}`,
  ],
  [new RegExp(`\\b((?:${SECRET_NAMES}): )('[^']*'?|"[^"]*"?)`, 'gi'), `$1${REDACTED}`],
];

/** The text without credentials, codes and named secrets, cut at its limit. */
export function scrubText(text: string): string {
  const head =
    text.length <= LOGGED_TEXT_CHARACTERS
      ? text
      : `${text.slice(0, LOGGED_TEXT_CHARACTERS)}… (${text.length} characters)`;
  return SHAPES.reduce((scrubbed, [shape, replacement]) => scrubbed.replace(shape, replacement), head);
}
