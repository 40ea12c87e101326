// What axe finds on a page: it is injected by the debugger, beside the page's own policy.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Markup that is not ours, and the rules that it breaks for the whole page. */
export type Foreign = { readonly selector: string; readonly rules: readonly string[] };

/** A line each. */
export async function findWithAxe(page: Page, foreign?: Foreign): Promise<string[]> {
  await page.evaluate(axe);
  const place = foreign ? { exclude: [[foreign.selector]] } : {};
  const rules = Object.fromEntries((foreign?.rules ?? []).map((rule) => [rule, { enabled: false }]));
  return page.evaluate<string[]>(
    `axe.run(${foreign ? JSON.stringify(place) : 'document'}, ${JSON.stringify({ rules })}).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes[0].html + ' ' + (nodes[0].any[0]?.message ?? '')))`,
  );
}
