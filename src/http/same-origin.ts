// Whether a page of another site sent this request: browsers add Basic credentials across sites by themselves. Pure.

export type Origins = {
  readonly secFetchSite: string | undefined;
  readonly origin: string | undefined;
  /** As the client wrote it (through trusted proxies), with the port. */
  readonly host: string | undefined;
  /** An origin that is this server too. */
  readonly publicUrl: string | undefined;
};

const OWN_SITES = ['same-origin', 'none'];

/** True for our own pages, for what a person typed, and for programs, which send neither header. */
export function isSameOrigin({ secFetchSite, origin, host, publicUrl }: Origins): boolean {
  if (secFetchSite !== undefined) return OWN_SITES.includes(secFetchSite);
  if (origin === undefined) return true;
  const from = URL.parse(origin);
  if (from === null || from.host === '') return false;
  // Parsed with the scheme of the origin, so that a default port that is written out is the same.
  const own = URL.parse(`${from.protocol}//${host ?? ''}`);
  return own?.host === from.host || (publicUrl !== undefined && URL.parse(publicUrl)?.origin === from.origin);
}
