// A real browser: Debian's Chromium, driven by playwright-core. Nothing is downloaded. Its headless shell is the same browser without
// windows, which playwright starts too where it brings one: half of the processor time for the same pages.
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';
import { requirePart } from './required.ts';

const PLACES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(
  (name) => `/usr/bin/${name}`,
);
const found = process.env['CHROMIUM'] ?? PLACES.find((place) => existsSync(place));

/** For `describe.skipIf(!hasBrowser)`. */
export const hasBrowser = requirePart(
  'A browser',
  found !== undefined,
  'Install Chromium (`apt-get install chromium-headless-shell`), or name one in CHROMIUM.',
);

/** Without the features that call home, so that tests only use loopback; and with few processes. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // All tabs share one process, also from one site to the next: a new process compiles the scripts of a page and axe again, and
  // eighty of them take as much of the processor's time as the pages themselves.
  '--renderer-process-limit=1',
  '--disable-site-isolation-trials',
];

export async function launchBrowser(): Promise<Browser> {
  if (found === undefined) throw new Error('no browser');
  return chromium.launch({ executablePath: found, args: FLAGS });
}
