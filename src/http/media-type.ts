// Content-Type and Content-Encoding of a request body. Pure.

export type MediaType = { readonly type: string; readonly charset: string | null };

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)"?/i;
/** US-ASCII is UTF-8 too. */
const UTF8 = ['utf-8', 'utf8', 'us-ascii'];

/** null where the header is missing. */
export function readMediaType(header: string | undefined): MediaType | null {
  if (header === undefined) return null;
  const type = (header.split(';', 1)[0] ?? '').trim().toLowerCase();
  return { type, charset: CHARSET.exec(header)?.[1]?.toLowerCase() ?? null };
}

export function isUtf8({ charset }: MediaType): boolean {
  return charset === null || UTF8.includes(charset);
}
