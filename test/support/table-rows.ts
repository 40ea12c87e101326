// Reads the table of machines.
import type { Page } from 'playwright-core';

/** The visible rows from top to bottom. */
export function hostnamesOf(page: Page): Promise<string[]> {
  return page.locator('tbody tr:visible th a').allTextContents();
}
