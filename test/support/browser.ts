// A real browser: Debian's Chromium, driven by playwright-core. Nothing is downloaded.
import { chromium, type Browser } from 'playwright-core';
import { CHROMIUM_FLAGS, findChromium } from './chromium.ts';
import { requirePart } from './required.ts';

const found = findChromium();

/** For `describe.skipIf(!hasBrowser)`. */
export const hasBrowser = requirePart(
  'A browser',
  found !== null,
  'Install Chromium (`apt-get install chromium-headless-shell`), or name one in CHROMIUM.',
);

const FLAGS = [
  ...CHROMIUM_FLAGS,
  // All tabs share one process, also from one site to the next: a new process compiles the scripts of a page and axe again, and
  // eighty of them take as much of the processor's time as the pages themselves.
  '--renderer-process-limit=1',
  '--disable-site-isolation-trials',
];

export async function launchBrowser(): Promise<Browser> {
  if (found === null) throw new Error('no browser');
  return chromium.launch({ executablePath: found, args: FLAGS });
}
