// A real browser for measurements: Debian's Chromium, driven by playwright-core, without the features that call home.
import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';
import type { Lifecycle } from '../../src/lifecycle.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Null if none is installed. */
export function findBrowser(): string | null {
  return process.env['CHROMIUM'] ?? PLACES.find((place) => existsSync(place)) ?? null;
}

export function acquireBrowser(lifecycle: Lifecycle, executablePath: string): Promise<Browser> {
  return lifecycle.acquire(
    'browser',
    () => chromium.launch({ executablePath, args: FLAGS, handleSIGINT: false, handleSIGTERM: false }),
    (browser) => browser.close(),
  );
}
