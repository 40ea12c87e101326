// What the table of machines shows.
import type { Page } from 'playwright-core';

/** Top to bottom, without what a filter hides. */
export function hostnamesOf(page: Page): Promise<string[]> {
  return page.locator('tbody tr:visible th a').allTextContents();
}
