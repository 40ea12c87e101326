// What must not stand in a log, taken out of running text by its shape: messages quote what they stumble over.

export const REDACTED = '[redacted]';
/** A longer text is cut: a log line is read by people. */
const LOGGED_TEXT_CHARACTERS = 8_192;

/** What stands before the name's last word is bounded, so that no text is slow to read. */
const SECRET_NAMES = 'crd_?command|pin|[\\w-]{0,40}(?:password|passphrase|secret|token|cookie)';

const SHAPES: readonly (readonly [RegExp, string])[] = [
  // postgres://user:password@host
  [/\/\/[^\s/?#]+@/g, `//${REDACTED}@`],
  [/(\bauthorization["']?\s*[:=]\s*["']?(?:(?:Bearer|Basic) +)?)[^\s"',;]+/gi, `$1${REDACTED}`],
  // Elsewhere a word of small letters, such as "Basic authentication", is no credential.
  [/\b(Bearer|Basic) +(?=[\w.~+/-]*[A-Z0-9])[\w.~+/-]{8,}=*/g, `$1 ${REDACTED}`],
  // The code of a CRD command, behind its option or alone, as Google writes it.
  [/(--code(?:=|\s+))(?:"[^"]*"?|'[^']*'?|[^\s"']+)/g, `$1${REDACTED}`],
  [/\b4\/0[\w-]{8,}/g, REDACTED],
  // Connection strings and forms; then JSON, also broken or cut, and what util.inspect writes.
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
