// The Chrome Remote Desktop command as participants paste it. Only its code is used: the command that the VM gets is built
// from that code alone. Pure.
import { fail, succeed, type Failed, type Result } from '../result.ts';

/** The characters of a code; none of them is special in a shell. */
const CODE = /^[A-Za-z0-9_/-]+$/;
/** A code pasted alone must look like one of Google's; otherwise any word could be a code. */
const BARE_CODE = /^4\/[A-Za-z0-9_/-]{6,}$/;
const CODE_MAX_LENGTH = 512;
export const REDIRECT_URL = 'https://remotedesktop.google.com/_/oauthredirect';
const START_HOST = '/opt/google/chrome-remote-desktop/start-host';

/** `--code`, then `=` or white space, then the value: in quotes of either kind, or up to the next white space. */
const CODE_OPTION =
  /(?<![\w-])--code(?:\s*=\s*|\s+)(?:"(?<double>[^"]*)"(?!\S)|'(?<single>[^']*)'(?!\S)|(?<plain>[^\s"']\S*))/gi;
const MENTIONS_CODE_OPTION = /(?<![\w-])--code(?![\w-])/i;

export type CrdCommand = { readonly code: string; readonly command: string };

/** For participants who have never seen a terminal. */
const failures = {
  no_code: {
    message: 'The command has no `--code=…` part.',
    remedy: 'Copy the whole command from the Google page, with the copy button there.',
  },
  several_codes: { message: 'There is more than one code.', remedy: 'Paste one command only.' },
  unreadable_code: {
    message: 'The code is cut off or damaged.',
    remedy: 'Copy the whole command from the Google page again.',
  },
} as const;

function unreadable(code: keyof typeof failures): Failed {
  return fail({ code, ...failures[code] });
}

/**
 * Reads a pasted command. Curly quotes, long dashes, non-breaking spaces, line breaks and a bare code are understood;
 * the same command pasted twice counts once.
 */
export function parseCrdCommand(pasted: string): Result<CrdCommand> {
  const text = straighten(pasted);
  const values = [...text.matchAll(CODE_OPTION)].map(readValue);
  if (values.length === 0) return parseBareCode(text);
  const codes = new Set(values);
  const [code] = codes;
  if (codes.size > 1) return unreadable('several_codes');
  if (code === undefined || !isCode(code)) return unreadable('unreadable_code');
  return succeed({ code, command: buildCrdCommand(code) });
}

/** The command that a VM is given. `code` must be one that `parseCrdCommand` returned. */
export function buildCrdCommand(code: string): string {
  return `DISPLAY= ${START_HOST} --code="${code}" --redirect-url="${REDIRECT_URL}" --name=$(hostname)`;
}

/** Undoes what word processors, chat programs and terminals do to a command. */
function straighten(pasted: string): string {
  return pasted
    .replace(/[\u200b-\u200d\u2060\ufeff]/g, '')
    .replace(/[\u00a0\u2000-\u200a\u202f\u3000]/g, ' ')
    .replace(/[\u201c-\u201f\u2033\u00ab\u00bb]/g, '"')
    .replace(/[\u2018-\u201b\u2032]/g, "'")
    .replace(/\\?\r\n?|\\\n/g, '\n')
    .replace(/(?:[\u2012-\u2015\u2212]+|-[\u2012-\u2015\u2212]|[\u2012-\u2015\u2212]-)(?=code\b)/gi, '--')
    .trim();
}

/** A line break inside quotes comes from the terminal and is dropped. Without quotes, nobody can tell where the code ends. */
function readValue(match: RegExpMatchArray): string {
  const { double, single, plain } = match.groups ?? {};
  const quoted = double ?? single;
  if (quoted !== undefined) return quoted.replace(/\s*\n\s*/g, '').trim();
  const rest = (match.input ?? '').slice((match.index ?? 0) + match[0].length);
  const continued = /^[ \t]*\n[ \t]*(?<next>\S+)/.exec(rest)?.groups?.['next'];
  const isCut = continued !== undefined && CODE.test(continued) && !continued.startsWith('-');
  return isCut ? '' : (plain ?? '');
}

function parseBareCode(text: string): Result<CrdCommand> {
  if (MENTIONS_CODE_OPTION.test(text)) return unreadable('unreadable_code');
  const bare = text.replace(/^["']|["']$/g, '').replace(/\s*\n\s*/g, '');
  if (!BARE_CODE.test(bare) || !isCode(bare)) return unreadable('no_code');
  return succeed({ code: bare, command: buildCrdCommand(bare) });
}

function isCode(code: string): boolean {
  return code.length <= CODE_MAX_LENGTH && CODE.test(code);
}
