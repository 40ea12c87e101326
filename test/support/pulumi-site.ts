// Preloaded (`NODE_OPTIONS=--import`) into a process that downloads Pulumi: PULUMI_SITE replaces get.pulumi.com, and every
// requested URL is written to PULUMI_SITE_DIARY.
import { appendFileSync, readFileSync } from 'node:fs';

const { PULUMI_SITE: site = '', PULUMI_SITE_DIARY: diary } = process.env;

globalThis.fetch = (input) => {
  const url = input instanceof Request ? input.url : String(input);
  if (diary !== undefined) appendFileSync(diary, `fetch ${url}\n`);
  // The error of Node's fetch without a network.
  if (site === 'unreachable') return Promise.reject(new TypeError('fetch failed'));
  return Promise.resolve(new Response(readFileSync(site, 'utf8')));
};
