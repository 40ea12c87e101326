// A real browser for measurements: Debian's Chromium, driven by playwright-core.
import { chromium, type Browser } from 'playwright-core';
import type { Lifecycle } from '../../src/lifecycle.ts';
import { CHROMIUM_FLAGS } from '../../test/support/chromium.ts';

export function acquireBrowser(lifecycle: Lifecycle, executablePath: string): Promise<Browser> {
  return lifecycle.acquire(
    'browser',
    () =>
      chromium.launch({ executablePath, args: CHROMIUM_FLAGS, handleSIGINT: false, handleSIGTERM: false }),
    (browser) => browser.close(),
  );
}
