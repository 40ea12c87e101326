// Tabler's stylesheet, fitted to the pages: PurgeCSS leaves out the rules of classes that nothing names (it is 635 kB whole),
// and its dark theme, which waits for an attribute, follows the reader's system, without JavaScript too. docs/adr/0004.
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postcss, { type Rule } from 'postcss';
import { PurgeCSS } from 'purgecss';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where class names stand, whole. */
const CONTENT = ['templates/**/*.mustache', 'src/pages/**/*.ts', 'src/browser/**/*.ts'];

const DARK = '[data-bs-theme=dark]';
/**
 * Parts that choose another theme or place than the page. The place of the navigation stands in `.page:has(…)`: with it the
 * browser would compute every style of the page again for each text that changes.
 */
const CHOSEN = /\[data-bs-(?:theme=light|navbar-theme|theme-|navbar-position)|\.[\w-]+\[data-bs-theme=dark\]/;

/** The part of the stylesheet that the pages use. */
export async function fitStylesheet(css: string): Promise<string> {
  const content = await Promise.all((await contentFiles()).map((path) => readFile(path, 'utf8')));
  return purgeStylesheet(css, content);
}

/** The rules whose classes one of these texts names. */
export async function purgeStylesheet(css: string, content: readonly string[]): Promise<string> {
  const purged = await new PurgeCSS().purge({
    content: content.map((raw) => ({ raw, extension: 'html' })),
    css: [{ raw: css }],
    safelist: ['data-bs-theme', 'dark'],
  });
  const sheet = postcss.parse(purged[0]?.css ?? '');
  sheet.walkRules(followTheSystem);
  return sheet.toString();
}

async function contentFiles(): Promise<string[]> {
  return Array.fromAsync(glob(CONTENT, { cwd: root }), (path) => join(root, path));
}

/** `[data-bs-theme=dark] .x` becomes `:root .x`, with the same weight, for readers whose system is dark. */
function followTheSystem(rule: Rule): void {
  const selectors = rule.selectors.filter((selector) => !CHOSEN.test(selector));
  const dark = selectors.filter((selector) => selector.includes(DARK));
  if (dark.length > 0) rule.after(darkRule(rule, dark.map(ofTheSystem)));
  const rest = selectors.filter((selector) => !selector.includes(DARK));
  if (rest.length === 0) rule.remove();
  else if (rest.length < rule.selectors.length) rule.selectors = rest;
}

function darkRule(rule: Rule, selectors: string[]): string {
  return `@media (prefers-color-scheme:dark){${rule.clone({ selectors }).toString()}}`;
}

function ofTheSystem(selector: string): string {
  return selector.replace(/^(?::root|(\w*))\[data-bs-theme=dark\]/, (_, element: string | undefined) =>
    element ? `:root ${element}` : ':root',
  );
}
