// Runs axe on a page. The debugger injects it, because the page's Content Security Policy would block it.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Third-party markup, and the rules of the whole page that it breaks. */
export type Foreign = { readonly selector: string; readonly rules: readonly string[] };

/** One line for each finding. */
export async function findWithAxe(page: Page, foreign?: Foreign): Promise<string[]> {
  if (!(await page.evaluate<boolean>(`'axe' in globalThis`))) await page.evaluate(axe);
  const place = foreign ? { exclude: [[foreign.selector]] } : {};
  const rules = Object.fromEntries((foreign?.rules ?? []).map((rule) => [rule, { enabled: false }]));
  // Axe then describes no elements that pass.
  const options = JSON.stringify({ rules, resultTypes: ['violations'] });
  return page.evaluate<string[]>(
    `axe.run(${foreign ? JSON.stringify(place) : 'document'}, ${options}).then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ': ' + nodes[0].html + ' ' + (nodes[0].any[0]?.message ?? '')))`,
  );
}
