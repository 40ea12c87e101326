// The delivered command: a code and an address are taken out of it, strictly; it is never run as it is. Pure.

/** What is taken over; everything else in the command is the agent's own. */
export type CrdCommand = { readonly code: string; readonly redirectUrl: string };

const CODE = /(?<![\w-])--code=(?:"([A-Za-z0-9_/-]+)"|([A-Za-z0-9_/-]+))(?!\S)/g;
const REDIRECT = /(?<![\w-])--redirect-url=(?:"([^\s"]+)"|([^\s"']+))(?!\S)/;
const REDIRECT_ALLOWED = /^https:\/\/remotedesktop\.google\.com\/[A-Za-z0-9._/-]*$/;
const REDIRECT_DEFAULT = 'https://remotedesktop.google.com/_/oauthredirect';
const CODE_MAX_LENGTH = 512;

/** Null where the command holds no code, several, or one that is none. */
export function readCrdCommand(command: string): CrdCommand | null {
  const codes = new Set([...command.matchAll(CODE)].map(([, quoted, plain]) => quoted ?? plain ?? ''));
  const [code] = codes;
  // A code that begins with a dash could be read as an option by whoever gets it.
  if (codes.size !== 1 || code === undefined || code.length > CODE_MAX_LENGTH || code.startsWith('-'))
    return null;
  const [, quoted, plain] = REDIRECT.exec(command) ?? [];
  const redirectUrl = quoted ?? plain ?? REDIRECT_DEFAULT;
  return REDIRECT_ALLOWED.test(redirectUrl) ? { code, redirectUrl } : null;
}
