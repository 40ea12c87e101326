// Where Debian's Chromium is, for tests and measurements. Its headless shell is the same browser without windows, which playwright starts
// too where it brings one: half of the processor time for the same pages.
import { existsSync } from 'node:fs';

const PLACES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(
  (name) => `/usr/bin/${name}`,
);

/** Without the features that call home: only loopback is used. */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Null if none is installed. */
export function findChromium(): string | null {
  return process.env['CHROMIUM'] ?? PLACES.find((place) => existsSync(place)) ?? null;
}
