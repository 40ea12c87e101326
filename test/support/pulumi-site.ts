// Preloaded (`NODE_OPTIONS=--import`) into a process that would download Pulumi: in the place of get.pulumi.com there is
// what PULUMI_SITE says, and every address that was asked for is written into PULUMI_SITE_DIARY.
import { appendFileSync, readFileSync } from 'node:fs';

const { PULUMI_SITE: site = '', PULUMI_SITE_DIARY: diary } = process.env;

globalThis.fetch = (input) => {
  const url = input instanceof Request ? input.url : String(input);
  if (diary !== undefined) appendFileSync(diary, `fetch ${url}\n`);
  // As Node's own fetch fails where there is no network.
  if (site === 'unreachable') return Promise.reject(new TypeError('fetch failed'));
  return Promise.resolve(new Response(readFileSync(site, 'utf8')));
};
